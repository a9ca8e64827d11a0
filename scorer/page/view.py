"""Makes one document of a whole group, which the page and `scorer top` show, and `scorer top --json` prints."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from scorer.page.board import DEAD_LETTER, GONE_SECONDS, Board, Rates, ReplicaRecords, latency, rates_of

Document = dict[str, Any]  # JSON
RECENT = 8  # predictions
BEHIND_SECONDS = 10.0  # a group that needs longer than this to work off its lag is behind
QUANTILES = (0.5, 0.9, 0.99)


@dataclass(frozen=True, slots=True)
class PartitionOffsets:
    """The lag of the group in a partition, by its committed offset."""

    topic: str
    partition: int
    lag: int
    member: str = ""


@dataclass(frozen=True, slots=True)
class Offsets:
    """The lag of a group by its committed offsets, for groups whose replicas publish nothing.

    rate: the events per second that it commits; None if that is not known yet.
    """

    state: str
    partitions: Sequence[PartitionOffsets]
    rate: float | None = None


@dataclass(slots=True)
class Known:
    """The contents of a view that do not come from the status records of replicas.

    group:    the consumer group.
    model:    the model's name.
    notes:    for each part of the view that is empty, how to turn it on.
    offsets:  the group's offsets; None if the brokers are not asked for them.
    reading:  why the records cannot be read now; empty if they can.
    drift:    the drift of the columns; None if nothing was published.
    quality:  the quality of the predictions; None if nothing was published.
    """

    group: str
    model: str
    notes: dict[str, str] = field(default_factory=dict)
    offsets: Offsets | None = None
    reading: str = ""
    drift: Document | None = None
    quality: Document | None = None


def view(board: Board, known: Known, now: float) -> Document:
    """Return the document.

    Args:
        board: the status records of the replicas.
        known: everything else.
        now: Unix seconds, by the clock that timed the arrival of the records.
    """
    alive = board.alive(now)
    rates = {id(told): rates_of(told) for told in alive}
    replicas = [_replica(name, told, rates.get(id(told)), now) for name, told in board.all()]
    for each in replicas:
        if each["state"] == "gone" and any(_replaced(each, other) for other in replicas):
            each |= {"state": "replaced", "why": "killed, and another one took its name"}
    partitions = _partitions(board, alive, known.offsets)
    lag = sum(each["lag"] for each in partitions) if partitions else None
    rate = _rates(list(rates.values()), known.offsets)
    document: Document = {
        "form": 1,
        "time": round(now, 3),
        "group": known.group,
        "model": known.model,
        "rates": rate,
        "latency": dict(zip(("p50", "p90", "p99"), map(_rounded, latency(alive, QUANTILES)), strict=True)),
        "lag": lag,
        "totals": dict(sum((Counter(told.last.outcomes) for _, told in board.all()), Counter())),
        "partitions": partitions,
        "replicas": replicas,
        "arms": _arms(board, list(rates.values())),
        "features": _features(board),
        "stages": _stages(alive),
        "dead_letters": _letters(board),
        "recent": _recent(alive),
        "drift": known.drift,
        "quality": known.quality,
        "notes": known.notes,
    }
    return document | {"health": health(document, known)}


def point(board: Board, known: Known, now: float) -> list[float | None]:
    """Return a point of the series: the time, events per second, the latency's p50 and p99, and the lag."""
    alive = board.alive(now)
    partitions = _partitions(board, alive, known.offsets)
    lag = sum(each["lag"] for each in partitions) if partitions else None
    events = _rates([rates_of(told) for told in alive], known.offsets)["events"]
    p50, p99 = latency(alive, (0.5, 0.99))
    return [round(now, 1), events, _rounded(p50), _rounded(p99), lag]


def health(document: Document, known: Known) -> Document:
    """Return how the group is, in words; the state is one of ok, warn, bad and unknown."""
    replicas = document["replicas"]
    count = Counter(each["state"] for each in replicas)
    lag, rate = document["lag"] or 0, document["rates"]["events"] or 0.0
    drifting = [each["name"] for each in (document["drift"] or {}).get("columns", ()) if each["alarm"]]
    if known.reading:
        return {"state": "unknown", "words": known.reading}
    if not replicas and known.offsets is None:
        return {"state": "unknown", "words": "Waiting for the first replica"}
    if not replicas and known.offsets is not None:
        return _by_offsets(known.offsets, lag)
    words, state = [], "ok"
    if not count["running"]:
        words, state = ["No replica is running"], "bad"
    if count["gone"]:
        state = "bad" if state == "bad" else "warn"
        words.append(f"{_counted(count['gone'], 'replica')} {'is' if count['gone'] == 1 else 'are'} gone")
    if count["waiting"]:
        state = "bad" if state == "bad" else "warn"
        words.append(f"{_counted(count['waiting'], 'replica')} not ready")
    if drifting:
        state = "bad" if state == "bad" else "warn"
        words.append(f"drift in {drifting[0]}" if len(drifting) == 1 else f"{len(drifting)} columns drift")
    if rate and lag > BEHIND_SECONDS * rate:
        state = "bad" if state == "bad" else "warn"
        words.append(f"behind by {_duration(lag / rate)} of work")
    if state == "ok":
        words.append(f"{_counted(count['running'], 'replica')} ready, keeping up")
    text = ", ".join(words)
    return {"state": state, "words": text[0].upper() + text[1:]}


def _by_offsets(offsets: Offsets, lag: int) -> Document:
    if offsets.state in {"empty", "dead"}:
        return {"state": "bad", "words": f"No replica is in the group, {lag:,} events are waiting"}
    members = len({each.member for each in offsets.partitions} - {""})
    return {"state": "ok", "words": f"{_counted(members, 'replica')} in the group, which is {offsets.state}"}


def _rates(rates: Sequence[Rates], offsets: Offsets | None) -> dict[str, float | None]:
    if not rates:
        return {"events": None if offsets is None or offsets.rate is None else round(offsets.rate, 1)}
    by_outcome: Counter[str] = Counter()
    for each in rates:
        by_outcome.update(each.outcomes)
    letters = by_outcome[DEAD_LETTER]
    events = by_outcome.total()
    return {"events": round(events, 1), "predictions": round(events - letters, 1), "dead_letters": round(letters, 2)}


def _replica(name: str, told: ReplicaRecords, rates: Rates | None, now: float) -> Document:
    status, silent = told.last, now - told.heard
    state = "gone" if silent > GONE_SECONDS else "running" if status.ready else "waiting"
    why = f"silent for {_duration(silent)}: killed, or cut off" if state == "gone" else "; ".join(status.why)
    first = told.records[0][1]
    seconds = status.time - first.time
    return {
        "id": name,
        "name": status.name,
        "host": status.host,
        "pid": status.pid,
        "state": state,
        "why": why,
        "started": round(status.started, 1),
        "scorer": status.scorer,
        "events": None if rates is None else round(rates.events, 1),
        "lag": None if state == "gone" else sum(lag for _, _, lag in status.lag),
        "partitions": [] if state == "gone" else [f"{topic}-{partition}" for topic, partition, _ in status.lag],
        "memory": status.memory,
        "cpu": round((status.cpu - first.cpu) / seconds, 3) if seconds > 0 and state != "gone" else None,
        "in_flight": status.in_flight,
    }


def _replaced(gone: Document, other: Document) -> bool:
    """Return whether a replica that is gone has a successor, as one that is restarted with the same name."""
    return bool(gone["name"] == other["name"] and other["started"] > gone["started"] and other["state"] != "gone")


def _partitions(board: Board, alive: Sequence[ReplicaRecords], offsets: Offsets | None) -> list[Document]:
    """Return the lag of each partition: by its owner, or by the group's offsets, or by an owner that is gone."""
    found: dict[tuple[str, int], Document] = {}

    def add(topic: str, partition: int, lag: int, replica: str) -> None:
        found[topic, partition] = {"topic": topic, "partition": partition, "lag": lag, "replica": replica}

    for _, told in board.all():
        for place in told.last.lag:
            add(*place, "")
    for each in offsets.partitions if offsets is not None else ():
        add(each.topic, each.partition, each.lag, each.member)
    for told in alive:
        for place in told.last.lag:
            add(*place, told.last.name)
    return [found[at] for at in sorted(found)]


def _arms(board: Board, rates: Sequence[Rates]) -> list[Document]:
    now: Counter[tuple[str, str]] = Counter()
    for each in rates:
        now.update(each.arms)
    events: Counter[tuple[str, str]] = Counter()
    for _, told in board.all():
        events.update({(arm.name, arm.version): arm.events for arm in told.last.arms})
    total = sum(now.values())
    return [
        {
            "name": name,
            "version": version,
            "events": count,
            "rate": round(now[name, version], 1),
            "share": round(now[name, version] / total, 4) if total else None,
        }
        for (name, version), count in sorted(events.items(), key=lambda each: (each[0][0] != "champion", each[0]))
    ]


def _features(board: Board) -> list[Document]:
    results: dict[str, Counter[str]] = {}
    cached: dict[str, Counter[str]] = {}
    for _, told in board.all():
        for entity, counts in told.last.features.items():
            results.setdefault(entity, Counter()).update(counts)
        for entity, (hits, misses) in told.last.cache.items():
            cached.setdefault(entity, Counter()).update({"hit": hits, "miss": misses})
    return [
        {
            "entity": entity,
            "results": {name: count for name, count in counts.items() if count},
            "hit": round(counts["hit"] / counts.total(), 4) if counts.total() else None,
            "cached": round(cached[entity]["hit"] / cached[entity].total(), 4) if entity in cached else None,
        }
        for entity, counts in sorted(results.items())
    ]


def _stages(alive: Sequence[ReplicaRecords]) -> list[Document]:
    """Return the share of each stage in the time of the last batches."""
    seconds: dict[str, float] = {}
    for told in alive:
        before = told.records[0][1].stages if len(told.records) > 1 else {}
        for stage, (_, wall) in told.last.stages.items():
            spent = wall - (before[stage].seconds if stage in before else 0.0)
            seconds[stage] = seconds.get(stage, 0.0) + spent
    total = sum(seconds.values())
    return [{"name": name, "share": round(wall / total, 4)} for name, wall in seconds.items() if total > 0 and wall > 0]


def _letters(board: Board) -> list[Document]:
    told = [each for _, told in board.all() for each in told.last.rejected.items()]
    count: Counter[str] = Counter()
    for reason, letter in told:
        count[reason] += letter.count
    newest = dict(sorted(told, key=lambda each: each[1].at))
    return [
        {"reason": reason, "count": number, **newest[reason].model_dump(include={"place", "version", "at"})}
        for reason, number in count.most_common()
    ]


def _recent(alive: Sequence[ReplicaRecords]) -> list[Document]:
    recent = sorted((each for told in alive for each in told.last.recent), key=lambda each: each.at, reverse=True)
    return [each.model_dump() for each in recent[:RECENT]]


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 5)


def _counted(number: int, word: str) -> str:
    return f"{number} {word}{'s' * (number != 1)}"


def _duration(seconds: float) -> str:
    for limit, size, unit in ((90, 1, "s"), (5_400, 60, "min"), (172_800, 3_600, "h")):
        if seconds < limit:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86_400:.0f} days"
