"""The two measurements: a backlog worked off, and latency at a steady rate."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.contenders import Contender
from benchmarks.contract import Contract
from benchmarks.process import Process
from benchmarks.topics import Feed, Topics
from benchmarks.verify import Verdict, verify
from benchmarks.workload import Workload
from scorer.errors import Fatal
from scorer.sandbox import Sandbox

LOOK_SECONDS = 0.02  # between two looks at the output
STALL_SECONDS = 60.0  # without an output: for imports, joining the group, and machines under load
WARM_UP = 2000  # events, before latency is measured
MILLION = 1e6


@dataclass(frozen=True, slots=True)
class Throughput:
    """A backlog worked off, from the first output to the last: start-up is left out.

    rate:        events a second by the broker's clock.
    cpu_us:      user and system microseconds an event, of the program with its children and threads.
    megabytes:   the most memory that it held.
    """

    events: int
    rate: float
    cpu_us: float
    megabytes: float


@dataclass(frozen=True, slots=True)
class Latency:
    """From handing an event to a producer to the broker's append of its prediction, in milliseconds."""

    events: int
    p50: float
    p99: float
    longest: float
    cpu_us: float


class Measure:
    """Measures programs on one sandbox.

    Args:
        sandbox: Kafka and Redis.
        workload: loaded into that Redis.
    """

    def __init__(self, sandbox: Sandbox, workload: Workload) -> None:
        self._sandbox, self._workload = sandbox, workload
        self.topics = Topics(sandbox.kafka.bootstrap)
        self._runs = 0

    def throughput(self, contender: Contender, events: int) -> Throughput:
        """Have it work off a backlog.

        Raises:
            Fatal: it ended or stalled, or an output is missing, there twice, or wrong.
        """
        contract = self._contract(contender, self.topics.filled(self._workload, events))
        with self._start(contender, contract) as process:
            samples = [(self._wait(process, contract, 1), process.cpu_seconds())]
            while samples[-1][0] < events:
                samples.append((self._wait(process, contract, samples[-1][0] + 1), process.cpu_seconds()))
            megabytes = process.peak_megabytes()
            process.stop()
        verdict = self._verify(contender, contract, events)
        (first, cpu_first), (last, cpu_last) = samples[0], samples[-1]
        return Throughput(events, _rate(verdict), MILLION * (cpu_last - cpu_first) / (last - first), megabytes)

    def latency(self, contender: Contender, rate: float, seconds: float) -> Latency:
        """Feed it at a steady rate.

        Raises:
            Fatal: as `throughput`.
        """
        events = WARM_UP + int(rate * seconds)
        contract = self._contract(contender, self.topics.empty())
        feed = Feed(contract.bootstrap, contract.input_topic)
        sent = np.zeros(events)
        with self._start(contender, contract) as process:
            for number in range(WARM_UP):
                feed.send(*self._workload.event(number))
            self._wait(process, contract, WARM_UP)
            time.sleep(1)
            begin, cpu, done = time.monotonic(), process.cpu_seconds(), WARM_UP
            while done < events:
                due = min(events, WARM_UP + int((time.monotonic() - begin) * rate))
                for number in range(done, due):
                    event = self._workload.event(number)
                    sent[number] = time.time() * 1000
                    feed.send(*event)
                done = due
                feed.serve(0.001)
            feed.finish()
            self._wait(process, contract, events)
            cpu = process.cpu_seconds() - cpu
            process.stop()
        verdict = self._verify(contender, contract, events)
        timed = verdict.numbers >= WARM_UP
        waits = verdict.stamps[timed] - sent[verdict.numbers[timed]]
        p50, p99, longest = np.percentile(waits, (50, 99, 100)).tolist()
        return Latency(len(waits), p50, p99, longest, MILLION * cpu / len(waits))

    def _contract(self, contender: Contender, input_topic: str) -> Contract:
        self._runs += 1
        state = self._sandbox.folder / f"run-{self._runs}"
        state.mkdir()
        return Contract(
            bootstrap=self._sandbox.kafka.bootstrap,
            redis=self._sandbox.redis.address,
            input_topic=input_topic,
            output_topic=self.topics.empty(),
            group=f"benchmark-{self._runs}",
            workload_dir=self._workload.folder,
            state_dir=state,
            layout=contender.layout,
        )

    def _start(self, contender: Contender, contract: Contract) -> Process:
        command = contender.program.command(contract)
        return Process(command, contract.environment(), _log(contract))

    def _wait(self, process: Process, contract: Contract, outputs: int) -> int:
        """Wait for some outputs and return how many there are."""
        count, grown = 0, time.monotonic()
        while (now := self.topics.count(contract.output_topic)) < outputs:
            process.check()
            if now > count:
                count, grown = now, time.monotonic()
            elif time.monotonic() - grown > STALL_SECONDS:
                raise Fatal(
                    f"no output for {STALL_SECONDS:.0f} s after {count:,}:\n{_log(contract).read_text()[-2000:]}"
                )
            time.sleep(LOOK_SECONDS)
        return now

    def _verify(self, contender: Contender, contract: Contract, events: int) -> Verdict:
        outputs = self.topics.read(contract.output_topic)
        verdict = verify(outputs, self._workload, events, contender.program.schema)
        if not verdict.holds:
            raise Fatal(f"the run of {contender} over {events:,} events failed: {verdict}")
        self.topics.remove(contract.output_topic)
        return verdict


def _log(contract: Contract) -> Path:
    return contract.state_dir / "log"


def _rate(verdict: Verdict) -> float:
    """Events per second from the first output to the last."""
    first = verdict.stamps.min()
    return float(1000 * (verdict.stamps > first).sum() / max(np.ptp(verdict.stamps), 1))
