"""Collects the status of this replica once a second, and the counts for it that the metrics lack."""

import os
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from prometheus_client import ProcessCollector
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from scorer import __version__
from scorer.batch import NO_COLUMN, NO_SLOT, Outcome, Predictions, Records, Rejected
from scorer.monitor import Health, Metrics
from scorer.page.status import KIND, ArmStatus, LetterStatus, RecentStatus, StageStatus, Status

TELL_SECONDS = 1.0  # between two records
RECENT = 5  # predictions in a record
COLUMNS = 3  # columns of a prediction
LONGEST_ID = 80  # characters
HIT, MISS = "hit", "miss"


class Ledger:
    """Counts what the metrics do not: events by arm and version, the newest dead letters, the last predictions.

    The loop calls the methods of an Observer; one other thread reads.

    Args:
        recent: whether predictions are kept.
        clock: Unix seconds.
    """

    def __init__(self, *, recent: bool, clock: Callable[[], float] = time.time) -> None:
        self.events: dict[tuple[str, str], int] = {}  # by name and version of the arm
        self.letters: dict[str, LetterStatus] = {}
        self.recent: Sequence[RecentStatus] = ()
        self._keeps, self._clock, self._due = recent, clock, 0.0

    def scored(self, outcome: Outcome) -> None:
        """Count nothing: the batch may be scored again."""

    def written(self, records: Records, outcome: Outcome, unwritable: Sequence[Rejected]) -> None:
        """Count a batch, on the loop's thread."""
        predictions = outcome.predictions
        counts = np.bincount(predictions.arm[predictions.rows], minlength=len(predictions.arms)).tolist()
        for (version, name), count in zip(predictions.arms, counts, strict=True):
            self.events[name, version] = self.events.get((name, version), 0) + count
        for each in (*outcome.rejected, *unwritable):
            self._letter(records, each)
        if self._keeps and len(predictions.rows) and (now := self._clock()) >= self._due:
            self._due = now + TELL_SECONDS
            refused = {each.row for each in unwritable}
            self.recent = [
                recent_of(predictions, row) for row in predictions.rows[-RECENT:].tolist() if row not in refused
            ]

    def iteration_ended(self, records: Records | None) -> None:
        """Count nothing."""

    def _letter(self, records: Records, rejected: Rejected) -> None:
        before = self.letters.get(rejected.reason, LetterStatus())
        row = rejected.row
        topic = records.topics[records.topic[row]] if records.topics else ""
        place = f"{topic}-{records.partition[row]}-{records.offset[row]}" if topic else ""
        self.letters[rejected.reason.value] = LetterStatus(
            count=before.count + 1, place=place, version=rejected.version, at=round(self._clock(), 3)
        )


def recent_of(predictions: Predictions, row: int) -> RecentStatus:
    """Return the parts of a prediction that are shown; the fields of its event are not."""
    start, end = int(predictions.id_starts[row]), int(predictions.id_ends[row])
    version, name = predictions.arms[predictions.arm[row]]
    scores = np.atleast_1d(predictions.scores[row])
    best = int(scores.argmax())
    score = float(scores[best])
    return RecentStatus(
        id=predictions.data[start:end].tobytes().decode(errors="replace")[:LONGEST_ID],
        score=round(score, 6) if np.isfinite(score) else None,
        label=best if len(scores) > 1 else None,
        arm=name,
        version=version,
        at=predictions.scored_at / 1000,
        columns=_strongest(predictions, row),
    )


def _strongest(predictions: Predictions, row: int) -> list[tuple[str, float]]:
    explained = predictions.explanations
    if explained is None or (slot := int(explained.slots[row])) == NO_SLOT:
        return []
    pairs = zip(explained.columns[slot].tolist(), explained.contributions[slot].tolist(), strict=True)
    found = [(explained.names[column], round(value, 4)) for column, value in pairs if column != NO_COLUMN]
    return [(name, value) for name, value in found if np.isfinite(value)][:COLUMNS]


@dataclass(frozen=True, slots=True)
class Who:
    """The identity of a replica.

    replica: its unique name.
    name:    its name for people.
    """

    replica: str
    name: str
    group: str
    model: str


def named(instance_id: str | None) -> str:
    """Return a replica's name for people: its static membership, or its host and process."""
    return instance_id or f"{socket.gethostname()}/{os.getpid()}"


class StatusSource:
    """Yields the status records of this replica; a teller of `scorer/group/telling.py`.

    Args:
        who: the replica.
        metrics: its metrics.
        health: whether it is ready.
        ledger: the counts that the metrics lack.
        clock: Unix seconds.
    """

    def __init__(
        self, who: Who, metrics: Metrics, health: Health, ledger: Ledger, clock: Callable[[], float] = time.time
    ) -> None:
        self._who, self._metrics, self._health, self._ledger, self._clock = who, metrics, health, ledger, clock
        self._started, self._due = clock(), 0.0
        self._process = ProcessCollector(registry=None)

    @property
    def key(self) -> str:
        """The kind and name of its records."""
        return f"{KIND}/{self._who.replica}"

    def due(self, now: float) -> Iterable[tuple[str, object]]:
        """Yield the record if it is due; `now` is monotonic seconds."""
        if now >= self._due:
            self._due = now + TELL_SECONDS
            yield self.key, self.status().document()

    def last(self) -> Iterable[tuple[str, object]]:
        """Yield the deletion of the record, since the replica leaves."""
        yield self.key, None

    def status(self) -> Status:
        """Return the status now."""
        metrics = self._metrics
        ready, page = self._health.ready()
        letters = dict(self._ledger.letters)
        process = {family.name: family.samples[0].value for family in self._process.collect() if family.samples}
        return Status(
            **{each: getattr(self._who, each) for each in ("replica", "name", "group", "model")},
            host=socket.gethostname(),
            pid=os.getpid(),
            scorer=__version__,
            started=self._started,
            time=round(self._clock(), 3),
            outcomes=_labelled(metrics.records, "outcome"),
            latency=metrics.end_to_end_seconds.series().read()[0],
            stages={name: StageStatus(count, round(wall, 6)) for name, (count, wall) in metrics.stages.spent().items()},
            lag=_lag(metrics.lag_records),
            arms=self._arms(),
            rejected={
                reason: letters.get(reason, LetterStatus()).model_copy(update={"count": count})
                for reason, count in _labelled(metrics.rejected, "reason").items()
                if count
            },
            features=_by_entity(metrics.features),
            cache=_cache(metrics.feature_cache),
            ready=ready,
            why=[f"{name}: {page['conditions'][name]}" for name in page["failed"]],
            memory=int(process.get("process_resident_memory_bytes", 0)),
            cpu=round(process.get("process_cpu_seconds", 0.0), 2),
            in_flight=int(next(iter(_samples(metrics.in_flight_batches))).value),
            rebalances=sum(_labelled(metrics.rebalances, "kind").values()),
            recent=list(self._ledger.recent),
        )

    def _arms(self) -> list[ArmStatus]:
        served = {(each.labels["arm"], each.labels["version"]) for each in _samples(self._metrics.model_info)}
        events = dict(self._ledger.events)
        return [
            ArmStatus(name=name, version=version, events=events.get((name, version), 0))
            for name, version in sorted(served | set(events))
        ]


def _samples(metric: Collector) -> list[Sample]:
    return [sample for family in metric.collect() for sample in family.samples]


def _labelled(metric: Collector, label: str) -> dict[str, int]:
    return {each.labels[label]: int(each.value) for each in _samples(metric)}


def _lag(metric: Collector) -> list[tuple[str, int, int]]:
    samples = _samples(metric)
    return sorted((each.labels["topic"], int(each.labels["partition"]), int(each.value)) for each in samples)


def _by_entity(metric: Collector) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for each in _samples(metric):
        found.setdefault(each.labels["entity"], {})[each.labels["result"]] = int(each.value)
    return found


def _cache(metric: Collector) -> dict[str, tuple[int, int]]:
    used = {entity: (results.get(HIT, 0), results.get(MISS, 0)) for entity, results in _by_entity(metric).items()}
    return {entity: results for entity, results in used.items() if any(results)}
