"""Finds parts of times by the name of a column: `hour`, `day_of_week`, `pickup_hour`."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np

from scorer.batch import Field, Kind
from scorer.init.found import Candidate, Source, Wanted
from scorer.init.names import alike, words
from scorer.init.samples import Samples
from scorer.plan.time_parts import parts_of

_PHRASES = {  # the words of a part; `True` where they may mean something else as well, without the name of a time
    ("hour",): ("hour", False),
    ("hour", "of", "day"): ("hour", False),
    ("minute",): ("minute", False),
    ("minute", "of", "hour"): ("minute", False),
    ("second",): ("second", True),
    ("weekday",): ("weekday", False),
    ("day", "of", "week"): ("weekday", False),
    ("dayofweek",): ("weekday", False),
    ("dow",): ("weekday", False),
    ("month",): ("month", False),
    ("month", "of", "year"): ("month", False),
    ("day",): ("day", True),
    ("day", "of", "month"): ("day", False),
    ("day", "of", "year"): ("yearday", False),
    ("dayofyear",): ("yearday", False),
    ("yearday",): ("yearday", False),
    ("week",): ("week", True),
    ("week", "of", "year"): ("week", False),
    ("year",): ("year", True),
}
_LONGEST_FIRST = sorted(_PHRASES, key=len, reverse=True)
_TIME_WORDS = frozenset({"at", "on", "time", "ts", "timestamp", "date", "datetime", "dt", "millis", "micros", "ms"})
_LIMITS = {"month": (1, 12), "day": (1, 31), "hour": (0, 23), "minute": (0, 59), "second": (0, 59)} | {
    "weekday": (0, 6),
    "yearday": (1, 366),
    "week": (1, 53),
}
OTHER_MOMENTS = frozenset(
    words(
        "account birth birthday born cancelled closed deleted dob due deadline end ended expiration expire expires "
        "expiry first install installed joined last modified next opened previous prev registered registration signup "
        "since until updated valid warranty"
    )
)
_THE_EVENT_S = frozenset({"event", "local", "utc", "occurred", "record"})
_MANY = 200  # events that are needed to tell candidates apart
_SOME = 50  # events in which two candidates must be equal to count as the same
_TOLD = 2  # thresholds that a candidate fails to explain before it is ruled out


def candidates(wanted: Wanted, fields: Mapping[str, Field]) -> list[Candidate]:
    """Return each part of a time that the name of a column may mean."""
    return [
        replace(_candidate(wanted, field, part), against=_against(wanted, part), near=2 if said else 1)
        for part, said, _ in _readings(wanted.name)
        for field in fields.values()
        if part in parts_of(field.kind) and (not said or said in _stems(field.path))
    ]


def _candidate(wanted: Wanted, field: Field, part: str) -> Candidate:
    counted = ", Monday is 0" if part == "weekday" else ""
    return Candidate(Source(event=field.path, part=part), f"by the name {wanted.name}{counted}")


def _readings(name: str) -> list[tuple[str, str, bool]]:
    """Return the part that a name says, the name of the time in it, and whether the part is doubtful; or nothing."""
    said = words(name)
    for phrase in _LONGEST_FIRST:
        size = len(phrase)
        if said[-size:] == phrase:
            return [(_PHRASES[phrase][0], "".join(said[:-size]), _PHRASES[phrase][1])]
        if said[:size] == phrase:
            rest = said[size:]
            return [(_PHRASES[phrase][0], "".join(rest[rest[0] == "of" :]), _PHRASES[phrase][1])]
    return []


def _stems(path: str) -> set[str]:
    """Return the names of a time: its path or the end of it, with and without words such as `at` and `time`."""
    steps = path.split(".")
    found = set[str]()
    for at in range(len(steps)):
        inner = [word for step in steps[at:] for word in words(step)]
        found |= {"".join(inner), "".join(word for word in inner if word not in _TIME_WORDS)}
    return found - {""}


def doubted(wanted: Wanted, candidate: Candidate, fields: Mapping[str, Field]) -> Candidate:
    """Return a candidate, with an objection if the column's name does not say which time it is a part of."""
    path = str(candidate.source.event)
    if not bare(wanted.name):
        return candidate
    if any(doubtful for _, _, doubtful in _readings(wanted.name)):
        return candidate.refuted(f"'{wanted.name}' alone may mean something else")
    said = {word for word in words(path) if word not in _TIME_WORDS}
    if said & OTHER_MOMENTS:
        return candidate.refuted(f"{path} may be another moment than that of the event")
    if fields[path].kind is not Kind.TIMESTAMP and not said <= _THE_EVENT_S:
        return candidate.refuted(f"{path} is a {fields[path].kind.name.lower()}, and maybe not that of the event")
    return candidate


def _against(wanted: Wanted, part: str) -> str:
    """Return the objection to a part that cannot have the model's thresholds; empty without one."""
    if not wanted.whole_splits:
        return f"the model divides the column between whole numbers, and the {part} is one"
    if part in _LIMITS and wanted.splits:
        low, high = _LIMITS[part]
        if wanted.splits[0] <= low or wanted.splits[-1] > high:
            return (
                f"the {part} is {low} to {high}, and the model divides at {wanted.splits[0]:g} to {wanted.splits[-1]:g}"
            )
        if part == "weekday" and wanted.splits[0] > 1:
            return "nothing in the model says whether it counts Monday as 0, as the plan does, or as 1"
    return ""


def told_apart(
    wanted: Wanted, found: Sequence[Candidate], fields: Mapping[str, Field], samples: Samples
) -> list[Candidate]:
    """Return the candidates that sample events leave: those whose values explain the model's thresholds.

    A threshold is a value of the training data, or lies just below one. A time that never has that value is not the
    column's, if another one has.
    """
    if len(found) < 2 or samples.count < _SOME:  # noqa: PLR2004  nothing to tell apart
        return list(found)
    values = [samples.numbers(str(each.source.event), each.source.part) for each in found]
    needed = {float(math.ceil(split)) for split in wanted.splits}
    lacking = [len(needed - set(each[np.isfinite(each)].tolist())) for each in values]
    whole = [at for at, count in enumerate(lacking) if count == 0]
    if samples.count >= _MANY and len(whole) == 1 and min(count for count in lacking if count) >= _TOLD:
        why = f"{found[whole[0]].why}; the sample events of no other time explain the model's thresholds"
        return [replace(found[whole[0]], why=why, sure=True)]
    if all(np.array_equal(values[0], each, equal_nan=True) for each in values[1:]) and len(np.unique(values[0])) > 1:
        simplest = min(found, key=lambda each: fields[str(each.source.event)].kind is Kind.TIMESTAMP)
        return [replace(simplest, why=f"{simplest.why}; equal in every sample event to those of the other times")]
    return list(found)


def related(found: Sequence[Candidate], chosen: Collection[str]) -> list[Candidate]:
    """Return the candidates of the same clock as fields that are chosen already, or all if there are none.

    `local_date` and `local_time` are one clock. Columns without the name of a time mean the same time.
    """
    clocks = {_clock(path) for path in chosen}
    same = [each for each in found if str(each.source.event) in chosen]
    mates = [each for each in found if _clock(str(each.source.event)) in clocks - {""}]
    kept = same or mates
    if len(kept) != 1:
        return list(found)
    return [replace(kept[0], why=f"{kept[0].why}; the time that other columns come from")]


def bare(name: str) -> bool:
    """Whether the name of a column is a part and does not say of which time."""
    return any(not said for _, said, _ in _readings(name))


def _clock(path: str) -> str:
    """Return the part of a name that a date and a time of the same moment share; empty if there is none."""
    parent, _, leaf = path.rpartition(".")
    rest = [word for word in words(leaf) if word not in _TIME_WORDS]
    return f"{alike(parent)}.{''.join(rest)}" if rest else ""
