"""Where the time of a batch goes: wall time and CPU time of each stage."""

from collections import deque
from collections.abc import Iterator
from time import perf_counter, process_time, thread_time

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from scorer.monitor.histogram import Histogram

STAGES = ("consume", "decode", "keys", "look_up", "assemble", "score", "encode", "publish", "reports", "commit")
REST = "rest"  # time of an iteration with a batch that is in no stage, such as waiting for an unavailable server
IDLE = "idle"  # CPU time of all threads at start-up and in iterations without a batch
OUTSIDE = "outside"  # CPU time of all other threads in an iteration with a batch: Kafka clients, HTTP server

BOUNDS = (*(step * 10.0**power for power in range(-5, 1) for step in (1, 2, 5)), 10.0)  # seconds: 10 us to 10 s


MEASURED_EVERY = 7  # a prime, so that it keeps no step with other work that is done every few batches
Lap = tuple[str, float, float]  # a stage, and when it began and ended, by `perf_counter`


class CpuClock:
    """The CPU clock of the loop's thread, which all stopwatches share.

    Attributes:
        mark: its time at the end of the previous stage.
        runs: whether stages read it in this iteration.
    """

    __slots__ = ("mark", "runs")

    def __init__(self) -> None:
        self.mark, self.runs = thread_time(), True


class Stopwatch:
    """Adds up how long its `with` blocks took. It is reused for every batch, in the loop's thread only.

    The CPU clock is read once a block. The time between two stages is counted with the second.

    Attributes:
        laps: receives each block; None if nobody needs them.
    """

    __slots__ = ("_began", "_clock", "_stage", "cpu", "laps", "wall")

    def __init__(self, stage: str, clock: CpuClock) -> None:
        self.cpu = self.wall = self._began = 0.0
        self.laps: deque[Lap] | None = None
        self._stage = stage
        self._clock = clock

    def __enter__(self) -> None:
        self._began = perf_counter()

    def __exit__(self, *_: object) -> None:
        ended = perf_counter()
        self.wall += ended - self._began
        if self.laps is not None:
            self.laps.append((self._stage, self._began, ended))
        if self._clock.runs:
            now = thread_time()
            self.cpu += now - self._clock.mark
            self._clock.mark = now

    def waited(self, seconds: float) -> None:
        """Add time in which the thread did something else."""
        self.wall += seconds


class Stages(Collector):
    """A stopwatch for each stage, read at the end of every iteration of the loop.

    Reading the CPU clock is a system call, of some five microseconds if the processor did something else since the last
    one. So the stages read it in one of MEASURED_EVERY iterations with a batch. The CPU time of the other iterations is
    divided as that of the last measured one was.

    The stages of an iteration without a batch are counted as idle. The CPU time of the stages, rest, idle and outside
    adds up to that of the process; the wall time of the stages and rest adds up to that of the iterations with a batch.

    Args:
        registry: the registry to join.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._clock = CpuClock()
        self._watches = {stage: Stopwatch(stage, self._clock) for stage in STAGES}
        self._shares = [0.0] * len(STAGES)  # of the CPU time of the last measured iteration
        self._batches = 0
        # How long one stage took for one batch.
        seconds = Histogram("scorer_stage_seconds", "Seconds of a batch in a stage", BOUNDS, registry, "stage")
        self._series = [seconds.series(stage) for stage in STAGES]
        self._rest = seconds.series(REST)
        self._cpu = dict.fromkeys((*STAGES, REST, IDLE, OUTSIDE), 0.0)
        self._started = thread_time(), perf_counter(), process_time()
        self._own = 0.0  # CPU time of a paused iteration
        registry.register(self)

    def stage(self, name: str) -> Stopwatch:
        """Return the stopwatch of one of STAGES."""
        return self._watches[name]

    def begin_iteration(self) -> None:
        """Begin an iteration now, on this thread; what the process did since the last one ended was outside."""
        now = thread_time(), perf_counter(), process_time()
        self._cpu[OUTSIDE] += now[2] - self._started[2]
        self._started, self._clock.mark = now, now[0]

    def pause(self) -> None:
        """Pause an iteration: what the thread does until `resume` is outside."""
        self._own = thread_time() - self._started[0]

    def resume(self) -> None:
        """Go on with an iteration, on any thread."""
        now = thread_time()
        self._started, self._clock.mark = (now - self._own, *self._started[1:]), now

    def record(self, laps: deque[Lap] | None) -> None:
        """Append every block of a stage from now on, or stop doing so."""
        for watch in self._watches.values():
            watch.laps = laps

    def end_iteration(self, *, batch: bool) -> None:
        """End an iteration of the loop; `batch` says whether it had a batch."""
        began, ended = self._started, (thread_time(), perf_counter(), process_time())
        cpu, wall, everyone = (after - before for before, after in zip(began, ended, strict=True))
        self._started, self._clock.mark = ended, ended[0]
        if not batch:
            self._cpu[IDLE] += everyone
        else:
            self._cpu[OUTSIDE] += max(0.0, everyone - cpu)
            self._add_cpu(cpu)
            for watch, series in zip(self._watches.values(), self._series, strict=True):
                series.observe(watch.wall)
                wall -= watch.wall
            self._rest.observe(max(0.0, wall))
        for watch in self._watches.values():
            watch.cpu = watch.wall = 0.0

    def _add_cpu(self, seconds: float) -> None:
        """Divide the CPU time that this thread took for a batch among the stages."""
        if self._clock.runs:
            each = [watch.cpu for watch in self._watches.values()]
            self._shares = [stage / seconds if seconds else 0.0 for stage in each]
        else:
            each = [share * seconds for share in self._shares]
        self._batches += 1
        self._clock.runs = self._batches % MEASURED_EVERY == 0
        for stage, took in zip(STAGES, each, strict=True):
            self._cpu[stage] += took
        self._cpu[REST] += max(0.0, seconds - sum(each))

    def spent(self) -> dict[str, tuple[int, float]]:
        """Return how many batches passed each stage, and the seconds that they took."""
        found = {}
        for stage, series in zip((*STAGES, REST), (*self._series, self._rest), strict=True):
            counts, seconds = series.read()
            found[stage] = counts[-1], seconds
        return found

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Yield the CPU seconds of each stage for prometheus_client."""
        family = CounterMetricFamily(
            "scorer_stage_cpu_seconds", "CPU seconds of the batches in a stage", labels=["stage"]
        )
        for stage, seconds in self._cpu.items():
            family.add_metric([stage], seconds)
        yield family
