"""Where the time of a batch goes: wall time and CPU time of each stage."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from threading import Lock
from time import perf_counter, process_time, thread_time

import numpy as np
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from scorer.monitor.histogram import Histogram

STAGES = ("consume", "decode", "keys", "look_up", "assemble", "score", "encode", "publish", "reports", "commit")
REST = "rest"  # time of an iteration with a batch that is in no stage, such as waiting for an unavailable server
IDLE = "idle"  # CPU time of all threads at start-up and in iterations without a batch
OUTSIDE = "outside"  # CPU time of all other threads in an iteration with a batch: Kafka clients, HTTP server

BOUNDS = (*(step * 10.0**power for power in range(-5, 1) for step in (1, 2, 5)), 10.0)  # seconds: 10 us to 10 s

MEASURED_EVERY = 7  # a prime, so that it keeps no step with other work that is done every few batches
COUNTED_EVERY = 64  # batches: to count so many takes little longer than to count one
Lap = tuple[str, float, float]  # a stage, and when it began and ended, by `perf_counter`
_NOTHING = [0.0] * len(STAGES)


class Iteration:
    """The times of the current iteration of the loop, which all stopwatches share.

    Attributes:
        wall: the seconds of each stage.
        cpu: the CPU seconds of each stage.
        mark: the CPU time of the loop's thread at the end of the previous stage.
        measured: whether stages read the CPU clock in this iteration.
    """

    __slots__ = ("cpu", "mark", "measured", "wall")

    def __init__(self) -> None:
        self.wall, self.cpu = _NOTHING.copy(), _NOTHING.copy()
        self.mark, self.measured = thread_time(), True

    def clear(self) -> None:
        """Set the times of all stages to 0."""
        self.wall[:] = self.cpu[:] = _NOTHING


class Stopwatch:
    """Adds up how long its `with` blocks took. It is reused for every batch, in the loop's thread only.

    The CPU clock is read once a block. The time between two stages is counted with the second.

    Attributes:
        laps: receives each block; None if nobody needs them.
    """

    __slots__ = ("_at", "_began", "_iteration", "laps")

    def __init__(self, at: int, iteration: Iteration) -> None:
        self._began = 0.0
        self.laps: deque[Lap] | None = None
        self._at, self._iteration = at, iteration

    def __enter__(self) -> None:
        self._began = perf_counter()

    def __exit__(self, *_: object) -> None:
        ended, iteration = perf_counter(), self._iteration
        iteration.wall[self._at] += ended - self._began
        if self.laps is not None:
            self.laps.append((STAGES[self._at], self._began, ended))
        if iteration.measured:
            now = thread_time()
            iteration.cpu[self._at] += now - iteration.mark
            iteration.mark = now

    def waited(self, seconds: float) -> None:
        """Add time in which the thread did something else."""
        self._iteration.wall[self._at] += seconds


class Stages(Collector):
    """A stopwatch for each stage, read at the end of every iteration of the loop.

    Reading the CPU clock is a system call, of some five microseconds if the processor did something else since the last
    one. So the stages read it in one of MEASURED_EVERY iterations with a batch. The CPU time of the other iterations is
    divided as that of the last measured one was.

    The stages of an iteration without a batch are counted as idle. The CPU time of the stages, rest, idle and outside
    adds up to that of the process; the wall time of the stages and rest adds up to that of the iterations with a batch.

    Args:
        registry: the registry to join.

    Attributes:
        stage: returns the stopwatch of one of STAGES.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._iteration = Iteration()
        self._watches = {stage: Stopwatch(at, self._iteration) for at, stage in enumerate(STAGES)}
        self.stage: Callable[[str], Stopwatch] = self._watches.__getitem__
        self._batches = 0
        # How long one stage took for one batch.
        self._seconds = Histogram("scorer_stage_seconds", "Seconds of a batch in a stage", BOUNDS, label="stage")
        self._series = [self._seconds.series(stage) for stage in (*STAGES, REST)]
        self._uncounted: deque[Sequence[float]] = deque()  # the seconds of a batch in each stage, and the rest
        self._cpu = dict.fromkeys((*STAGES, REST, IDLE, OUTSIDE), 0.0)
        self._shares = _NOTHING  # of the CPU time of the last measured iteration
        self._undivided = 0.0  # CPU time of that iteration and those after it
        self._dividing = Lock()
        self._started = thread_time(), perf_counter(), process_time()
        self._own = 0.0  # CPU time of a paused iteration
        registry.register(self)

    def begin_iteration(self) -> None:
        """Begin an iteration now, on this thread; what the process did since the last one ended was outside."""
        now = thread_time(), perf_counter(), process_time()
        self._cpu[OUTSIDE] += now[2] - self._started[2]
        self._started, self._iteration.mark = now, now[0]

    def pause(self) -> None:
        """Pause an iteration: what the thread does until `resume` is outside."""
        self._own = thread_time() - self._started[0]

    def resume(self) -> None:
        """Go on with an iteration, on any thread."""
        now = thread_time()
        self._started, self._iteration.mark = (now - self._own, *self._started[1:]), now

    def record(self, laps: deque[Lap] | None) -> None:
        """Append every block of a stage from now on, or stop doing so."""
        for watch in self._watches.values():
            watch.laps = laps

    def end_iteration(self, *, batch: bool) -> None:
        """End an iteration of the loop; `batch` says whether it had a batch."""
        iteration, began, ended = self._iteration, self._started, (thread_time(), perf_counter(), process_time())
        own, everyone = ended[0] - began[0], ended[2] - began[2]
        self._started, iteration.mark = ended, ended[0]
        if not batch:
            self._cpu[IDLE] += everyone
        else:
            self._cpu[OUTSIDE] += max(0.0, everyone - own)
            self._add_cpu(own)
            rest = ended[1] - began[1] - sum(iteration.wall)
            self._uncounted.append((*iteration.wall, max(0.0, rest)))
            if len(self._uncounted) >= COUNTED_EVERY:
                self._count()
        iteration.clear()

    def spent(self) -> dict[str, tuple[int, float]]:
        """Return how many batches passed each stage, and the seconds that they took."""
        self._count()
        found = {}
        for stage, series in zip((*STAGES, REST), self._series, strict=True):
            counts, seconds = series.read()
            found[stage] = counts[-1], seconds
        return found

    def collect(self) -> Iterator[HistogramMetricFamily | CounterMetricFamily]:
        """Yield the seconds and the CPU seconds of each stage for prometheus_client."""
        self._count()
        yield from self._seconds.collect()
        with self._dividing:
            divided = {**self._cpu, **self._divided()}
        family = CounterMetricFamily(
            "scorer_stage_cpu_seconds", "CPU seconds of the batches in a stage", labels=["stage"]
        )
        for stage, seconds in divided.items():
            family.add_metric([stage], seconds)
        yield family

    def _count(self) -> None:
        """Count the batches that are not counted yet, on any thread."""
        batches = list[Sequence[float]]()
        with suppress(IndexError):
            while True:
                batches.append(self._uncounted.popleft())
        for series, seconds in zip(self._series, np.array(batches).T, strict=False):
            series.observe_all(np.ascontiguousarray(seconds))

    def _add_cpu(self, seconds: float) -> None:
        """Add the CPU time that this thread took for a batch."""
        iteration = self._iteration
        if iteration.measured:
            with self._dividing:
                self._cpu |= self._divided()
                self._shares = [stage / seconds if seconds else 0.0 for stage in iteration.cpu]
                self._undivided = 0.0
        self._undivided += seconds
        self._batches += 1
        iteration.measured = self._batches % MEASURED_EVERY == 0

    def _divided(self) -> dict[str, float]:
        """Return the CPU time of each stage and the rest, with what was not divided yet."""
        each = [share * self._undivided for share in self._shares]
        parts = (*each, max(0.0, self._undivided - sum(each)))
        return {stage: self._cpu[stage] + part for stage, part in zip((*STAGES, REST), parts, strict=True)}
