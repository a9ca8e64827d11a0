"""Captures a sample of the rows as the model saw them, with their scores: in the background, or in transactions."""

import queue
from collections import deque
from collections.abc import Sequence

import numpy as np
import structlog
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry, Counter

from scorer.arrays.spans import Spans
from scorer.avro import Captured
from scorer.background import Background
from scorer.batch import Outcome, Payloads, Predictions, Records, Rejected
from scorer.kafka import SpareWriter, Write
from scorer.rollout import Sample, keys_of
from scorer.settings import CaptureSettings, Settings

SALT = "capture"
WAITING = 16  # samples that wait to be written; further ones are dropped
IN_FLIGHT = 64  # batches that are scored but not yet written
IDLE_SECONDS, JOIN_SECONDS = 0.2, 2.0

log = structlog.get_logger()
Drawn = tuple[Captured, list[bytes | None]]  # some rows, and their keys


class CaptureMetrics:
    """The metric of captured rows.

    Args:
        registry: the replica's metrics registry.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        # Rows of the sample: `written`, `dropped` since they could not be written in time, or of another plan.
        self._rows = Counter("scorer_captured_rows", "Rows of the capture's sample", ["result"], registry=registry)
        for result in ("written", "dropped", "other_plan"):
            self._rows.labels(result)

    def count(self, result: str, rows: int) -> None:
        """Count rows by result."""
        self._rows.labels(result).inc(rows)


class Sampling:
    """Draws the rows of a batch. All methods are called by the loop's thread.

    Args:
        settings: the share.
        metrics: count the rows that are left out, since their arm's plan differs from the champion's.
    """

    def __init__(self, settings: CaptureSettings, metrics: CaptureMetrics) -> None:
        self._share, self._sample, self._metrics = settings.sample, Sample(settings.sample, SALT), metrics
        self._columns: tuple[str, ...] = ()
        self._scored: deque[tuple[Outcome, tuple[str, ...]]] = deque(maxlen=IN_FLIGHT)

    def served(self, columns: tuple[str, ...]) -> None:
        """Take the columns of the champion."""
        self._columns = columns

    def scored(self, outcome: Outcome) -> None:
        """Note the columns of a batch: the champion may change before the batch is written."""
        self._scored.append((outcome, self._columns))

    def draw(self, outcome: Outcome, keys: Sequence[bytes | None], left_out: Sequence[int] = ()) -> Drawn | None:
        """Return the rows of the sample; None if there are none.

        Args:
            outcome: a batch that was scored.
            keys: the keys of its events.
            left_out: scored rows without a prediction.
        """
        each = outcome.predictions
        columns = next((names for known, names in self._scored if known is outcome), ())
        texts, null = keys_of(keys, len(each.event_time))
        drawn = self._sample.of(texts, null, Spans(each.data, each.id_starts, each.id_ends))
        rows = each.rows[drawn[each.rows] & ~np.isin(each.rows, left_out)]
        if (foreign := outcome.matrix.foreign) is not None:
            self._metrics.count("other_plan", int(foreign[rows].sum()))
            rows = rows[~foreign[rows]]
        if not len(rows) or outcome.matrix.values.shape[1] != len(columns):
            return None
        return self._captured(outcome, rows, columns), [keys[row] if keys else None for row in rows.tolist()]

    def _captured(self, outcome: Outcome, rows: NDArray[np.int64], columns: tuple[str, ...]) -> Captured:
        each = outcome.predictions
        spans = zip(each.id_starts[rows].tolist(), each.id_ends[rows].tolist(), strict=True)
        return Captured(
            ids=[each.data[start:end].tobytes() for start, end in spans],
            scores=each.scores[rows],
            model=each.model,
            arms=[each.arms[arm] for arm in each.arm[rows].tolist()],
            columns=columns,
            values=outcome.matrix.values[rows],
            sample=self._share,
            places=_places(each, rows),
            event_time=each.event_time[rows],
            scored_at=each.scored_at,
        )


class BackgroundCapture(Background):
    """An observer for at-least-once delivery: captures written batches on its own thread, without guarantees.

    Args:
        sampling: draws rows.
        metrics: count them.
        writer: writes to the topic, and counts the rows that it writes.
    """

    def __init__(self, sampling: Sampling, metrics: CaptureMetrics, writer: SpareWriter) -> None:
        self._sampling, self._metrics, self._writer = sampling, metrics, writer
        self._waiting: queue.Queue[Drawn] = queue.Queue(WAITING)
        super().__init__("capture", JOIN_SECONDS)

    def served(self, columns: tuple[str, ...]) -> None:
        """Take the columns of the champion."""
        self._sampling.served(columns)

    def scored(self, outcome: Outcome) -> None:
        """Note a batch."""
        self._sampling.scored(outcome)

    def written(self, records: Records, outcome: Outcome, unwritable: Sequence[Rejected]) -> None:
        """Queue the sample of a batch, or drop it if the queue is full."""
        drawn = self._sampling.draw(outcome, records.keys, [each.row for each in unwritable])
        if drawn is None:
            return
        try:
            self._waiting.put_nowait(drawn)
        except queue.Full:
            self._metrics.count("dropped", len(drawn[1]))

    def iteration_ended(self, records: Records | None) -> None:
        """Do nothing."""

    def _run(self) -> None:
        while not (self._stopping.is_set() and self._waiting.empty()):
            try:
                captured, keys = self._waiting.get(timeout=IDLE_SECONDS)
            except queue.Empty:
                self._writer.poll()
                continue
            values = captured.encoded()
            ends = np.cumsum([len(value) for value in values], dtype=np.int64)
            self._writer.write(Payloads(np.arange(len(values)), b"".join(values), ends), keys)
        self._writer.close()


class TransactionCapture:
    """An observer for exactly-once delivery: captures each batch in its transaction.

    Args:
        topic: the topic of the rows.
        sampling: draws rows.
        metrics: count them.
    """

    def __init__(self, topic: str, sampling: Sampling, metrics: CaptureMetrics) -> None:
        self._topic, self._sampling, self._metrics = topic, sampling, metrics
        self._outcome: Outcome | None = None  # the outcome of the batch that is published next
        self._rows = 0  # the number of rows in the last transaction

    def served(self, columns: tuple[str, ...]) -> None:
        """Take the columns of the champion."""
        self._sampling.served(columns)

    def scored(self, outcome: Outcome) -> None:
        """Note the batch that is published next."""
        self._sampling.scored(outcome)
        self._outcome = outcome

    def writes(self, records: Records, unwritable: Sequence[Rejected]) -> list[Write]:
        """Return the writes to add to the transaction of a batch.

        Args:
            records: the batch that was scored last.
            unwritable: the rows whose predictions were refused.
        """
        self._rows, outcome = 0, self._outcome
        if outcome is None or not np.array_equal(outcome.predictions.origin.offset, records.offset):
            return []
        drawn = self._sampling.draw(outcome, records.keys, [each.row for each in unwritable])
        if drawn is None:
            return []
        captured, keys = drawn
        self._rows = len(keys)
        return [
            Write(topic=self._topic, value=value, key=key) for value, key in zip(captured.encoded(), keys, strict=True)
        ]

    def refused(self, reason: str) -> None:
        """Note that the topic refuses the rows of a batch, which is then published without them."""
        log.warning("captured rows are refused and dropped", topic=self._topic, reason=reason)
        self._metrics.count("dropped", self._rows)
        self._rows = 0

    def written(self, records: Records, outcome: Outcome, unwritable: Sequence[Rejected]) -> None:
        """Count the rows of the last transaction."""
        del records, outcome, unwritable
        self._metrics.count("written", self._rows)
        self._rows = 0

    def iteration_ended(self, records: Records | None) -> None:
        """Do nothing."""


def capture_of(settings: Settings, metrics: CaptureMetrics) -> BackgroundCapture | TransactionCapture | None:
    """Return the observer that captures rows in this mode of delivery; None if nothing is captured.

    Raises:
        Misconfigured: the producer cannot be created.
    """
    capture = settings.monitor.capture
    if capture is None:
        return None
    sampling = Sampling(capture, metrics)
    if settings.kafka.delivery == "exactly-once":
        return TransactionCapture(capture.topic, sampling, metrics)
    return BackgroundCapture(sampling, metrics, SpareWriter(settings.kafka, capture.topic, metrics.count))


def _places(each: Predictions, rows: NDArray[np.int64]) -> list[tuple[str, int, int]]:
    origin = each.origin.take(rows)
    spans = zip(origin.topic.tolist(), origin.partition.tolist(), origin.offset.tolist(), strict=True)
    return [(origin.topics[topic], partition, offset) for topic, partition, offset in spans]
