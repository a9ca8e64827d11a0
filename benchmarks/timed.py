"""A replica with a stopwatch at each of its parts: `python -m benchmarks.timed CONFIGURATION RESULT`.

It is `scorer run`; the stopwatches stand between the loop and the parts, so neither knows of them.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import perf_counter, process_time, thread_time
from typing import Any

from scorer import pipeline
from scorer.batch import Records
from scorer.cli import main
from scorer.features.store import Server
from scorer.pipeline import Parts

REST = "the rest"  # of the loop's thread
OUTSIDE = "outside Python"  # the Kafka client's own threads

Seconds = tuple[float, float]  # of the processor, in the loop's thread; and of the clock


class Stopwatches:
    """Seconds of each stage, without those of the stages that it calls, over the turns of the loop that had a batch.

    A turn begins with the call that asks for records. What a turn without records took is no cost of an event. One
    stopwatch adds about two microseconds to a call, so a tenth of a microsecond to an event of a batch of 500.
    """

    def __init__(self) -> None:
        self.events = 0
        self.stages: dict[str, Seconds] = {}
        self._turn: dict[str, Seconds] = {}
        self._within: Seconds = (0.0, 0.0)  # of the calls within the one that is measured
        self._began, self._everyone = now()
        self._records = 0

    def timed(self, stage: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return the call with a stopwatch at it."""

        def measured(*arguments: object) -> object:
            outer, self._within = self._within, (0.0, 0.0)
            cpu, wall = thread_time(), perf_counter()
            try:
                return call(*arguments)
            finally:
                cpu, wall = thread_time() - cpu, perf_counter() - wall
                own, inner = self._turn.get(stage, (0.0, 0.0)), self._within
                self._turn[stage] = own[0] + cpu - inner[0], own[1] + wall - inner[1]
                self._within = outer[0] + cpu, outer[1] + wall

        return measured

    def turning(self, poll: Callable[[], Records | None]) -> Callable[[], Records | None]:
        """Return the call that begins a turn."""

        def next_turn() -> Records | None:
            self._end_turn()
            records = poll()
            self._records = len(records or ())
            return records

        return next_turn

    def document(self) -> dict[str, object]:
        """Return what is known."""
        return {"events": self.events, "stages": self.stages}

    def _end_turn(self) -> None:
        (cpu, wall), everyone = now()
        if self._records:
            self.events += self._records
            cpu, wall = cpu - self._began[0], wall - self._began[1]
            rest = cpu - self._within[0], wall - self._within[1]
            outside = everyone - self._everyone - cpu, 0.0
            for stage, took in {**self._turn, REST: rest, OUTSIDE: outside}.items():
                own = self.stages.get(stage, (0.0, 0.0))
                self.stages[stage] = own[0] + took[0], own[1] + took[1]
        self._turn, self._within = {}, (0.0, 0.0)
        self._began, self._everyone = now()


class Watched:
    """A part, some of whose calls are measured."""

    def __init__(self, part: object, **measured: Callable[..., Any]) -> None:
        self._part = part
        self.__dict__.update(measured)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  whatever the part has
        return getattr(self._part, name)


def watched(parts: Parts, watch: Stopwatches) -> Parts:
    """Return the parts with stopwatches; their types say less than they can do."""
    timed = watch.timed
    source, features, sink, checkpoint = parts.source, parts.features, parts.sink, parts.checkpoint
    kinds: dict[str, Any] = {
        "source": Watched(source, poll=watch.turning(timed("consume", source.poll))),
        "decoder": Watched(parts.decoder, decode=timed("decode", parts.decoder.decode)),
        "features": Watched(
            features,
            look_up=timed("keys", features.look_up),
            assemble=timed("assemble", features.assemble),
        ),
        "booster": Watched(parts.booster, score=timed("score", parts.booster.score)),
        "encoder": Watched(parts.encoder, encode=timed("encode", parts.encoder.encode)),
        "checkpoint": Watched(
            checkpoint, open=timed("publish", checkpoint.open), settle=timed("commit", checkpoint.settle)
        ),
        "sink": Watched(sink, publish=timed("publish", sink.publish), serve=timed("delivery reports", sink.serve)),
    }
    return replace(parts, **kinds)


def install(watch: Stopwatches) -> None:
    """Have every replica of this process run with the stopwatches."""
    run = pipeline.run
    pipeline.run = lambda parts, stopping: run(watched(parts, watch), stopping)
    Server.fetch = watch.timed("Redis", Server.fetch)  # type: ignore[method-assign]  # within a part


def now() -> tuple[Seconds, float]:
    """Return what the clocks of this thread show, and the processor seconds of all threads."""
    return (thread_time(), perf_counter()), process_time()


if __name__ == "__main__":
    stopwatches = Stopwatches()
    install(stopwatches)
    code = main(["run", "-c", sys.argv[1]])
    Path(sys.argv[2]).write_text(json.dumps(stopwatches.document()))
    sys.exit(code)
