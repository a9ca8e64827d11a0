"""Samples the batches to trace, and records what happens to them. The export thread makes the spans."""

import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter

from scorer.batch import Outcome, Records, Rejected
from scorer.kafka import TRACEPARENT, Carried, trace_headers
from scorer.monitor import Lap, Stages
from scorer.otel.traced import Traced, attributes_of, links_of

MOST_LAPS = 256  # of an iteration, which may wait for a server for hours
MOST_PENDING = 8  # traced batches that are not acknowledged yet; a window has four


@dataclass(frozen=True, slots=True)
class Rule:
    """Which batches are traced, and which predictions carry the trace of their event.

    sample:     the share of batches that are traced, from 0 to 1.
    everything: whether predictions of batches that are not traced carry the headers of their events, too.
    """

    sample: float
    everything: bool = False


class Tracing:
    """An observer that samples batches; the loop's thread calls all its methods.

    Args:
        rule: which batches are traced.
        group: the consumer group.
        stages: record the laps of a sampled batch.
        send: receives each sampled batch once it is written.
        drop: receives the number of spans of a sampled batch that is dropped before it is written.
        draw: returns a random number in [0, 1).
    """

    def __init__(  # noqa: PLR0913, PLR0917  the rule, and the receivers
        self,
        rule: Rule,
        group: str,
        stages: Stages,
        send: Callable[[Traced], None],
        drop: Callable[[int], None],
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._rule, self._group, self._stages = rule, group, stages
        self._send, self._drop, self._draw = send, drop, draw
        self._laps: deque[Lap] = deque(maxlen=MOST_LAPS)
        self._drawn = False  # whether the batch of this iteration is sampled
        self._outcome: Outcome | None = None  # of that batch
        self._current: Traced | None = None  # that batch, once it is published
        self._pending: deque[tuple[Outcome, Traced]] = deque()
        self._begin()

    def scored(self, outcome: Outcome) -> None:
        """Record how a batch was scored; it may be scored again."""
        if self._drawn:
            self._outcome, self._current = outcome, None

    def carry(self, records: Records) -> Carried | None:
        """Return the headers of the predictions of a batch that is being published; None if they have none."""
        if self._outcome is None:
            return trace_headers(records) if self._rule.everything else None
        theirs = trace_headers(records)
        self._current = traced = Traced(
            random.getrandbits(128) or 1,
            random.getrandbits(64) or 1,
            attributes_of(records, self._outcome, self._group),
            len(self._outcome.rejected),
            links_of(theirs),
        )
        ours = ((TRACEPARENT, traced.parent),)
        return [each if any(name == TRACEPARENT for name, _ in each) else ours for each in theirs]

    def written(self, records: Records, outcome: Outcome, unwritable: Sequence[Rejected]) -> None:
        """Record when a sampled batch was written, and send it once its iteration has ended."""
        del records
        if outcome is self._outcome and self._current is not None:  # within its iteration, as with transactions
            _note(self._current, unwritable)
            return
        for pending in self._pending:
            if pending[0] is outcome:
                self._pending.remove(pending)
                _note(pending[1], unwritable)
                self._send(pending[1])
                return

    def iteration_ended(self, records: Records | None) -> None:
        """End an iteration, and decide whether the next batch is traced."""
        if records is None:
            self._laps.clear()
            return
        if self._outcome is not None and (traced := self._current) is not None:
            traced.laps, traced.ended = [*self._laps], perf_counter()
            if traced.written:
                self._send(traced)
            else:
                self._keep(self._outcome, traced)
        self._begin()

    def _keep(self, outcome: Outcome, traced: Traced) -> None:
        self._pending.append((outcome, traced))
        if len(self._pending) > MOST_PENDING:
            self._drop(self._pending.popleft()[1].spans)

    def _begin(self) -> None:
        self._outcome = self._current = None
        drawn = self._draw() < self._rule.sample
        if drawn != self._drawn:
            self._stages.record(self._laps if drawn else None)
        self._drawn = drawn
        self._laps.clear()


def _note(traced: Traced, unwritable: Sequence[Rejected]) -> None:
    traced.written = perf_counter()
    traced.rejected += len(unwritable)
