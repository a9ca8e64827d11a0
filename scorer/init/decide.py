"""Decides where each column comes from. A column is placed only if it has a single candidate, without any objection."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from scorer.batch import Field
from scorer.errors import nearest
from scorer.init import features, fields, parts
from scorer.init.features import Holder
from scorer.init.found import Candidate, Guess, Source, Wanted
from scorer.init.samples import Samples
from scorer.init.writing import flow

_NAMELESS = "the model has no column names, so nothing tells what it is"


def decide(
    wanted: Sequence[Wanted], schema_fields: Mapping[str, Field], samples: Samples, holders: Sequence[Holder]
) -> list[Guess]:
    """Return the answer for each column.

    Args:
        wanted:        the columns of the model.
        schema_fields: the event's fields.
        samples:       sample events.
        holders:       hashes in Redis.
    """
    judge = _Judge(schema_fields, samples, holders)
    first = [judge.guess(column) for column in wanted]
    chosen = {
        str(guess.source.event)
        for guess in first
        if guess.source and guess.source.part and not guess.open and parts.bare(guess.wanted.name)
    }
    return _single([judge.guess(guess.wanted, chosen) if guess.open else guess for guess in first])


class _Judge:
    """Judges one column at a time."""

    def __init__(self, schema_fields: Mapping[str, Field], samples: Samples, holders: Sequence[Holder]) -> None:
        self._fields, self._samples, self._holders = schema_fields, samples, holders

    def guess(self, wanted: Wanted, chosen: Iterable[str] = ()) -> Guess:
        """Return the guess for a column; `chosen` are the times that other columns come from."""
        if not wanted.named:
            return Guess(wanted, None, open=_NAMELESS)
        usable = [holder for holder in self._holders if holder.usable]
        of_event = fields.candidates(wanted, self._fields, self._samples)
        of_redis = features.candidates(wanted, usable)
        closed = features.candidates(wanted, [holder for holder in self._holders if not holder.usable])
        if not of_event:
            of_event = self._times(wanted, set(chosen), alone=not of_redis)
        found = [*of_event, *of_redis]
        if not found or (of_event and all(each.near == 1 for each in of_event)):
            found += closed
        return _judged(wanted, found) if found else self._nothing(wanted)

    def _times(self, wanted: Wanted, chosen: set[str], *, alone: bool) -> list[Candidate]:
        """Return the parts of times that a column may be; impossible ones are left out if others are possible."""
        found = parts.candidates(wanted, self._fields)
        possible = [each for each in found if not each.against]
        if not alone:
            return found
        left = parts.told_apart(wanted, possible, self._fields, self._samples) if possible else found
        if len(left) > 1 and possible and parts.bare(wanted.name):
            left = parts.related(left, chosen)
        return [parts.doubted(wanted, left[0], self._fields)] if len(left) == 1 else left

    def _nothing(self, wanted: Wanted) -> Guess:
        known = [
            *self._fields,
            *(f"{holder.name}.{name}" for holder in self._holders for name in holder.pattern.fields),
        ]
        near = nearest(wanted.name, known)
        return Guess(wanted, None, open=f"no field has this name{f', {near} is near' if near else ''}")


def _judged(wanted: Wanted, found: Sequence[Candidate]) -> Guess:
    """Return the guess for a column, given all candidates with its name."""
    if len(found) > 1:
        return Guess(wanted, None, open=f"{len(found)} candidates", candidates=[_shown(each) for each in found])
    (only,) = found
    if only.against:
        return Guess(wanted, None, only.why, open=only.against, candidates=[f"if it is right: {flow(only.source)}"])
    return Guess(wanted, only.source, only.why, only.near, only.sure, only.todo)


def _single(guesses: Sequence[Guess]) -> list[Guess]:
    """Leave a column open if another one has the same source and a name at least as near: one of them is wrong."""
    of_source: dict[Source, list[Guess]] = defaultdict(list)
    for guess in guesses:
        if guess.source is not None and not guess.open:
            of_source[guess.source].append(guess)
    found = []
    for guess in guesses:
        same = of_source[guess.source] if guess.source is not None and not guess.open else []
        rivals = [each for each in same if each is not guess and each.near >= guess.near]
        if rivals and guess.source is not None:
            why = f"it would be the same as {rivals[0].wanted.name}"
            hint = f"if it is right: {flow(guess.source)}"
            found.append(Guess(guess.wanted, None, guess.why, open=why, candidates=[hint]))
        else:
            found.append(guess)
    return found


def _shown(candidate: Candidate) -> str:
    return f"{flow(candidate.source)}{f' ({candidate.against})' if candidate.against else ''}"
