"""A replica with a stopwatch at each of its parts: `python -m benchmarks.timed CONFIGURATION RESULT`.

It is `scorer run`; the stopwatches stand between the loop and the parts, so neither knows of them.
"""

import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorer import pipeline
from scorer.batch import Records
from scorer.cli import main
from scorer.features.store import Server
from scorer.pipeline import Parts

REST = "the rest"  # of the loop's thread
OUTSIDE = "outside Python"  # the Kafka client's own threads

Seconds = NDArray[np.float64]  # of the clock, of this thread's processor time, and of all threads'


class Stopwatches:
    """Seconds of each stage, without those of the stages that it calls, over the turns of the loop that had a batch.

    A turn begins with the call that asks for records. What a turn without records took is no cost of an event.
    """

    def __init__(self) -> None:
        self.events = 0
        self.stages: defaultdict[str, Seconds] = defaultdict(_nothing)
        self._turn: defaultdict[str, Seconds] = defaultdict(_nothing)
        self._within = _nothing()  # seconds of the calls within the one that is measured
        self._began = _now()
        self._records = 0

    def timed(self, stage: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return the call with a stopwatch at it."""

        def measured(*arguments: object) -> object:
            outer, self._within = self._within, _nothing()
            began = _now()
            try:
                return call(*arguments)
            finally:
                took = _now() - began
                self._turn[stage] += took - self._within
                self._within = outer + took

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
        """Return what is known, seconds as `Seconds` has them."""
        return {"events": self.events, "stages": {stage: took.tolist() for stage, took in self.stages.items()}}

    def _end_turn(self) -> None:
        now = _now()
        if self._records:
            self.events += self._records
            for stage, took in self._turn.items():
                self.stages[stage] += took
            self.stages[REST] += now - self._began - self._within
        self._turn.clear()
        self._within, self._began = _nothing(), now


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


def _now() -> Seconds:
    return np.array([time.perf_counter(), time.thread_time(), time.process_time()])


def _nothing() -> Seconds:
    return np.zeros(3)


if __name__ == "__main__":
    stopwatches = Stopwatches()
    install(stopwatches)
    code = main(["run", "-c", sys.argv[1]])
    Path(sys.argv[2]).write_text(json.dumps(stopwatches.document()))
    sys.exit(code)
