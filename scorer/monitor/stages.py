"""Where the time of a batch goes: wall time and CPU time of each stage."""

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


class Stopwatch:
    """Adds up how long its `with` blocks took. It is reused for every batch, in the loop's thread only.

    Reading the CPU clock is a system call of half a microsecond, so it is done once a block. The time between two
    stages is counted with the second.
    """

    __slots__ = ("_began", "_mark", "cpu", "wall")

    def __init__(self, mark: list[float]) -> None:
        self.cpu = self.wall = self._began = 0.0
        self._mark = mark  # the CPU clock at the end of the previous stage, shared by all stopwatches

    def __enter__(self) -> None:
        self._began = perf_counter()

    def __exit__(self, *_: object) -> None:
        self.wall += perf_counter() - self._began
        now = thread_time()
        self.cpu += now - self._mark[0]
        self._mark[0] = now


class Stages(Collector):
    """A stopwatch for each stage, read at the end of every iteration of the loop.

    The stages of an iteration without a batch are counted as idle. The CPU time of the stages, rest, idle and outside
    adds up to that of the process; the wall time of the stages and rest adds up to that of the iterations with a batch.

    Args:
        registry: the registry to join.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._mark = [thread_time()]
        self._watches = {stage: Stopwatch(self._mark) for stage in STAGES}
        # How long one stage took for one batch.
        seconds = Histogram("scorer_stage_seconds", "Seconds of a batch in a stage", BOUNDS, registry, "stage")
        self._series = [seconds.series(stage) for stage in STAGES]
        self._rest = seconds.series(REST)
        self._cpu = dict.fromkeys((*STAGES, REST, IDLE, OUTSIDE), 0.0)
        self._started = thread_time(), perf_counter(), process_time()
        registry.register(self)

    def stage(self, name: str) -> Stopwatch:
        """Return the stopwatch of one of STAGES."""
        return self._watches[name]

    def end_iteration(self, *, batch: bool) -> None:
        """End an iteration of the loop; `batch` says whether it had a batch."""
        began, ended = self._started, (thread_time(), perf_counter(), process_time())
        cpu, wall, everyone = (after - before for before, after in zip(began, ended, strict=True))
        self._started, self._mark[0] = ended, ended[0]
        if not batch:
            self._cpu[IDLE] += everyone
        else:
            self._cpu[OUTSIDE] += max(0.0, everyone - cpu)
            for (stage, watch), series in zip(self._watches.items(), self._series, strict=True):
                series.observe(watch.wall)
                self._cpu[stage] += watch.cpu
                cpu -= watch.cpu
                wall -= watch.wall
            self._rest.observe(max(0.0, wall))
            self._cpu[REST] += max(0.0, cpu)
        for watch in self._watches.values():
            watch.cpu = watch.wall = 0.0

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Yield the CPU seconds of each stage for prometheus_client."""
        family = CounterMetricFamily(
            "scorer_stage_cpu_seconds", "CPU seconds of the batches in a stage", labels=["stage"]
        )
        for stage, seconds in self._cpu.items():
            family.add_metric([stage], seconds)
        yield family
