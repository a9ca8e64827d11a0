"""The base of all measurements, and the measurement of a backlog. `steady` and `together` have the others."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import numpy as np
from confluent_kafka import KafkaException

from benchmarks.contenders import Contender
from benchmarks.contract import Contract
from benchmarks.process import Process
from benchmarks.topics import PARTITIONS, Topics
from benchmarks.verify import Verdict, verify
from benchmarks.workload import Workload
from scorer.errors import Fatal
from scorer.sandbox import Sandbox

LOOK_SECONDS = 0.02  # between two looks at the output
STALL_SECONDS = 120.0  # without an output: for imports, joining the group, and machines under load
MILLION = 1e6


@dataclass(frozen=True, slots=True)
class Throughput:
    """The result of a backlog, from the first output to the last, without the start-up.

    rate:        events a second by the broker's clock.
    cpu_us:      user and system microseconds an event, of the program with its children and threads.
    megabytes:   the most memory that it held.
    """

    events: int
    rate: float
    cpu_us: float
    megabytes: float


@contextmanager
def measuring(workload: Workload, partitions: int = PARTITIONS, *, by_key: bool = False) -> "Iterator[Measure]":
    """Run servers until the end of the block."""
    with Sandbox() as sandbox:
        workload.load_redis(sandbox.redis.url)
        yield Measure(sandbox, workload, Topics(sandbox.kafka.bootstrap, partitions, by_key=by_key))


class Measure:
    """Measures programs on one sandbox.

    Args:
        sandbox: Kafka and Redis.
        workload: loaded into that Redis.
        topics: on that Kafka; PARTITIONS each where none are given.
    """

    def __init__(self, sandbox: Sandbox, workload: Workload, topics: Topics | None = None) -> None:
        self.sandbox, self.workload = sandbox, workload
        self.topics = topics or Topics(sandbox.kafka.bootstrap)
        self._runs = 0

    def throughput(self, contender: Contender, events: int) -> Throughput:
        """Let a program work through a backlog.

        Raises:
            Fatal: it ended or stalled, or an output is missing, there twice, or wrong.
        """
        contract = self.contract(contender, self.topics.filled(self.workload, events))
        with self.start(contender.program.command(contract), contract) as process:
            samples = [(now(), process.cpu_seconds()) for _ in self.looks([process], contract, events)]
            megabytes = process.peak_megabytes()
            process.stop()
        stamps = self.verify(contender, contract, events).stamps
        first, last = float(stamps.min()), float(stamps.max())
        count = max(int((stamps > first).sum()), 1)
        (cpu,) = spent(samples, first, last)
        return Throughput(events, 1000 * count / max(last - first, 1), MILLION * cpu / count, megabytes)

    def contract(self, contender: Contender, input_topic: str) -> Contract:
        """Return the contract of a program's run."""
        self._runs += 1
        state = self.sandbox.folder / f"run-{self._runs}"
        state.mkdir()
        return Contract(
            bootstrap=self.sandbox.kafka.bootstrap,
            redis=self.sandbox.redis.address,
            input_topic=input_topic,
            output_topic=self.topics.empty(),
            group=f"benchmark-{self._runs}",
            workload_dir=self.workload.folder,
            state_dir=state,
            layout=contender.layout,
        )

    def start(self, command: Sequence[str], contract: Contract, number: int = 0) -> Process:
        """Start one of the programs of a run."""
        return Process(command, contract.environment(), contract.state_dir / f"log-{number}")

    def looks(self, programs: Sequence[Process], contract: Contract, outputs: int) -> Iterator[int]:
        """Yield the number of outputs repeatedly, until it reaches the expected number.

        Raises:
            Fatal: a program ended, or there was no further output for long.
        """
        count, grown = -1, time.monotonic()
        while count < outputs:
            for program in programs:
                program.check()
            before = count
            with suppress(KafkaException):  # a broker that is kept from its work has no answer now and then
                count = self.topics.count(contract.output_topic)
            if count > before:
                grown = time.monotonic()
            elif time.monotonic() - grown > STALL_SECONDS:
                raise Fatal(f"no output for {STALL_SECONDS:.0f} s after {count:,}:\n{programs[0].last_words()}")
            yield count
            time.sleep(LOOK_SECONDS)

    def wait(self, program: Process, contract: Contract, outputs: int) -> None:
        """Wait for a number of outputs, as `looks` does."""
        for _ in self.looks([program], contract, outputs):
            pass

    def verify(self, contender: Contender, contract: Contract, events: int) -> Verdict:
        """Compare every output with the expected one, and free the topic's space."""
        outputs = self.topics.read(contract.output_topic)
        verdict = verify(outputs, self.workload, events, contender.program.schema)
        if not verdict.passed:
            raise Fatal(f"the run of {contender} over {events:,} events failed: {verdict}")
        self.topics.remove(contract.output_topic)
        return verdict


def now() -> float:
    """Return the broker's current time, in milliseconds since the epoch."""
    return time.time() * 1000


def spent(samples: Sequence[Sequence[float]], begin: float, end: float) -> list[float]:
    """Return the CPU seconds of each program between two moments.

    Args:
        samples: each a moment, and what each program had spent until then.
        begin: the first moment, and
        end: the other.
    """
    moments, *programs = np.array(samples).T
    return [float(np.diff(np.interp((begin, end), moments, seconds))[0]) for seconds in programs]
