"""Shadows: versions that score published batches again on their own threads, and write to a topic of their own."""

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from scorer.avro import Encoder, Framing
from scorer.batch import Records
from scorer.errors import ScorerError
from scorer.kafka import SpareWriter
from scorer.rollout import Shadow
from scorer.serving.ensemble import Candidate

ARM = "shadow"
WAITING = 4  # batches; others are dropped until there is room
IDLE_SECONDS = 0.5

Count = Callable[[str, int], None]  # receives `written`, `rejected` or `dropped`, and a number of events
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Outlet:
    """The output that the shadows of a replica share.

    writer:  writes to their topic.
    encoder: encodes predictions.
    count:   called with the result of every event.
    """

    writer: SpareWriter
    encoder: Encoder
    count: Count


class ShadowArm:
    """Scores a sample of the batches with one version. The batches are published already, so failures here do no harm.

    It decodes each batch itself, so that fields that only the shadow uses make no dead letters. It looks features up
    over its own connection, so that a slow reply delays nothing else.

    Args:
        shadow: the version and its share of the batches.
        serving: the version, or the ensemble.
        framing: finds the body in each value; for this thread alone.
        outlet: where the predictions go.
    """

    def __init__(self, shadow: Shadow, serving: Candidate, framing: Framing, outlet: Outlet) -> None:
        self.shadow, self._outlet, self._decoder = shadow, outlet, serving.decoder(framing)
        self._lookups = serving.lookups(cached=True)
        self._scorer = serving.scorer(self._lookups.fetch if self._lookups else None, name=ARM)
        self._waiting: queue.Queue[Records] = queue.Queue(WAITING)
        self._due = 0.0
        self._failing = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"shadow-{shadow.version}", daemon=True)
        self._thread.start()

    def offer(self, records: Records) -> None:
        """Queue a batch if it belongs to the sample, or drop it if the queue is full; never raise."""
        self._due += self.shadow.sample
        if self._due < 1:
            return
        self._due -= 1
        try:
            self._waiting.put_nowait(records)
        except queue.Full:
            self._outlet.count("dropped", len(records))

    def retire(self) -> None:
        """Stop after the batch that is being scored, without waiting for it."""
        self._stopping.set()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                records = self._waiting.get(timeout=IDLE_SECONDS)
            except queue.Empty:
                self._outlet.writer.poll()
                continue
            self._score(records)
        if self._lookups:
            self._lookups.close()

    def _score(self, records: Records) -> None:
        try:
            outcome = self._scorer.score(self._decoder.decode(records), time.time())
            self._outlet.writer.write(self._outlet.encoder.encode(outcome.predictions), records.keys)
        except Exception as error:  # noqa: BLE001  nothing that a shadow does may end the replica
            self._outlet.count("dropped", len(records))
            if not self._failing:
                known = str(error) if isinstance(error, ScorerError) else repr(error)
                log.warning(
                    "shadow cannot score, its predictions are dropped", version=self.shadow.version, reason=known
                )
            self._failing = True
            return
        if outcome.rejected:
            self._outlet.count("rejected", len(outcome.rejected))
        if self._failing:
            log.info("shadow scores again", version=self.shadow.version)
        self._failing = False
