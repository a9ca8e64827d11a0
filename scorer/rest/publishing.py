"""Publishes the predictions of requests to Kafka in the background. Answers never wait for it."""

import math
import queue
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

import numpy as np
import structlog
from prometheus_client import CollectorRegistry, Counter

from scorer.avro import Encoder
from scorer.batch import Outcome, Records
from scorer.kafka import SpareWriter
from scorer.monitor import Observer
from scorer.replica.pipeline import Observed

WAITING = 1_000  # batches that are not encoded yet; others are dropped until there is room
IDLE_SECONDS = 0.2
AGAIN_SECONDS = 60.0  # between two warnings about dropped predictions
NOWHERE = "", -1  # the topic and the partition of a row that was not read from a topic
RESULTS = ("written", "dropped")

log = structlog.get_logger()


class PublishMetrics:
    """The metric of published predictions; any thread may count.

    Args:
        registry: the server's metrics registry.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        # Predictions of requests: `written` to the output topic, or `dropped` since the brokers did not take them.
        self._rows = Counter("scorer_published", "Predictions of requests for Kafka", ["result"], registry=registry)
        self._of = {result: self._rows.labels(result) for result in RESULTS}
        self._said_at = -math.inf

    def count(self, result: str, rows: int) -> None:
        """Count predictions by one of RESULTS; warn at most every AGAIN_SECONDS that some are dropped."""
        self._of[result].inc(rows)
        if result == "dropped" and time.monotonic() - self._said_at > AGAIN_SECONDS:
            self._said_at = time.monotonic()
            log.warning(
                "predictions are dropped: the brokers do not take them in time", metric="scorer_published_total"
            )


class Numbers:
    """Gives each row a source position that no other row has, on any server.

    Consumers recognise a duplicate prediction by its source. A row of a request has no source, so its topic is empty,
    its partition is -1, and its offset is the time of the server's start in nanoseconds plus the number of the row.
    """

    def __init__(self, clock: Callable[[], int] = time.time_ns) -> None:
        self._next = clock()

    def placed(self, records: Records) -> Records:
        """Return records with such positions."""
        rows = len(records)
        first, self._next = self._next, self._next + rows
        topic, partition = NOWHERE
        return replace(
            records,
            topics=(topic,),
            topic=np.zeros(rows, np.int32),
            partition=np.full(rows, partition, np.int32),
            offset=np.arange(first, first + rows),
        )


class Publisher:
    """Writes predictions to Kafka on its own thread.

    Args:
        writer: writes to the output topic.
        encoder: encodes predictions.
        metrics: count the predictions that are dropped here.
    """

    def __init__(self, writer: SpareWriter, encoder: Encoder, metrics: PublishMetrics) -> None:
        self._writer, self._encoder, self._metrics = writer, encoder, metrics
        self._waiting: queue.Queue[tuple[Records, Outcome]] = queue.Queue(WAITING)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="publishing", daemon=True)

    def start(self) -> None:
        """Publish from now on."""
        self._thread.start()

    def offer(self, records: Records, outcome: Outcome) -> None:
        """Queue the predictions of a batch, or drop them if too many batches wait; raises nothing."""
        try:
            self._waiting.put_nowait((records, outcome))
        except queue.Full:
            self._metrics.count("dropped", len(outcome.predictions.rows))

    def close(self, seconds: float) -> None:
        """Write the queued predictions for at most some seconds, and drop the rest."""
        end = time.monotonic() + seconds
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(seconds)
        with suppress(queue.Empty):
            while True:  # what the thread has not come to, which would be missing from the metric otherwise
                self._metrics.count("dropped", len(self._waiting.get_nowait()[1].predictions.rows))
        self._writer.close(max(0.0, end - time.monotonic()))

    def _run(self) -> None:
        while not (self._stopping.is_set() and self._waiting.empty()):
            try:
                records, outcome = self._waiting.get(timeout=IDLE_SECONDS)
            except queue.Empty:
                self._writer.poll()
                continue
            try:
                self._writer.write(self._encoder.encode(outcome.predictions), records.keys)
            except Exception as error:  # noqa: BLE001  nothing that goes wrong here may end the server
                self._metrics.count("dropped", len(outcome.predictions.rows))
                log.warning("predictions cannot be written", error=f"{type(error).__name__}: {error}")


class Beside:
    """Passes scored rows to the publisher, observers and shadows.

    Args:
        publisher: publishes predictions; None if `serve.publish` is off.
        observers: see each batch as if it had been written.
    """

    def __init__(self, publisher: Publisher | None = None, observers: Sequence[Observer] = ()) -> None:
        self._publisher, self._observers, self._numbers = publisher, observers, Numbers()

    def scored(self, records: Records, outcome: Outcome, shadows: Sequence[Observed]) -> None:
        """Pass a batch on; called on the thread that scored it, one batch at a time.

        Args:
            records: the events.
            outcome: their predictions.
            shadows: the versions that also score the events.
        """
        if self._publisher is None and not shadows and not self._observers:
            return
        records = self._numbers.placed(records)
        outcome = replace(outcome, predictions=replace(outcome.predictions, origin=records.origin))
        if self._publisher is not None:
            self._publisher.offer(records, outcome)
        for observer in self._observers:
            observer.scored(outcome)
            observer.written(records, outcome, [])
        for shadow in shadows:
            shadow.offer(records)
