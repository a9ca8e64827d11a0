"""The measurement of events at a steady rate: the latency of their predictions, and the cost."""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from benchmarks.contenders import Contender
from benchmarks.measure import MILLION, Measure, now
from benchmarks.topics import Feed
from benchmarks.workload import Workload

WARM_UP = 2000  # events, before anything is measured
SINGLY = 2000.0  # events a second, above which several go in one request: else the feed keeps the broker busy
LINGER_MS = 5


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds from queueing an event in a producer to the broker's append of its prediction."""

    events: int
    p50: float
    p99: float
    longest: float
    cpu_us: float


@dataclass(frozen=True, slots=True)
class Sample:
    """A program's CPU seconds and megabytes after `events` events."""

    events: int
    cpu_seconds: float
    megabytes: float


@dataclass(frozen=True, slots=True, eq=False)
class Steady:
    """A run at a steady rate, after the warm-up.

    rate:    events a second that were in truth handed over.
    waits:   float64 [events], milliseconds, as `Latency` has them.
    samples: at the begin, after each of the times asked for, and at the end.
    """

    rate: float
    waits: NDArray[np.float64]
    samples: list[Sample]

    def parts(self) -> Iterator[tuple[Latency, float]]:
        """Yield the figures between two samples, and the megabytes at the end."""
        for begin, end in pairwise(self.samples):
            yield self._latency(begin, end), end.megabytes

    def whole(self) -> Latency:
        """The figures of the whole run."""
        return self._latency(self.samples[0], self.samples[-1])

    def _latency(self, begin: Sample, end: Sample) -> Latency:
        waits = self.waits[begin.events : end.events]
        p50, p99, longest = np.percentile(waits, (50, 99, 100)).tolist()
        return Latency(len(waits), p50, p99, longest, MILLION * (end.cpu_seconds - begin.cpu_seconds) / len(waits))


def steady(measure: Measure, contender: Contender, rate: float, seconds: float, every: float | None = None) -> Steady:
    """Feed a program at a steady rate.

    Args:
        measure: has the servers.
        contender: the program.
        rate: events a second.
        seconds: how long.
        every: seconds between two samples of the program; none between begin and end where None.

    Raises:
        Fatal: it ended or stalled, or an output is missing, there twice, or wrong.
    """
    (run,) = at_once(measure, [contender], rate, seconds, every)
    return run


def at_once(
    measure: Measure, contenders: Sequence[Contender], rate: float, seconds: float, every: float | None = None
) -> list[Steady]:
    """Feed several programs the same events at a steady rate, each in a group of its own; see `steady`.

    Whatever else the machine does affects all of them equally.
    """
    events, topic = int(rate * seconds), measure.topics.empty()
    with ExitStack() as stack:
        fed = [_Fed(measure, contender, topic, stack) for contender in contenders]
        feed = Feed(measure.sandbox.kafka.bootstrap, topic, LINGER_MS if rate > SINGLY else 0)
        for number in range(WARM_UP):
            feed.send(*measure.workload.event(number))
        for program in fed:
            program.wait(WARM_UP)
        time.sleep(1)
        for program in fed:
            program.sample(0)
        sent = np.empty(events)
        for done in _handed_over(feed, measure.workload, rate, sent):
            if every and len(sent) - done > rate * every / 2 and done >= rate * every * len(fed[0].samples):
                for program in fed:
                    program.sample(done)
        feed.finish()
        for program in fed:
            program.wait(WARM_UP + events)
        for program in fed:
            program.sample(events)
        for program in fed:
            program.process.stop()
    given = 1000 * events / max(np.ptp(sent), 1)
    runs = [Steady(given, program.stamps(events) - sent, program.samples) for program in fed]
    measure.topics.remove(topic)
    return runs


class _Fed:
    """One of the programs that get the events, in a group of its own, with samples of what it has spent."""

    def __init__(self, measure: Measure, contender: Contender, topic: str, stack: ExitStack) -> None:
        self._measure, self._contender = measure, contender
        self._contract = contract = measure.contract(contender, topic)
        self.process = stack.enter_context(measure.start(contender.program.command(contract), contract))
        self.samples: list[Sample] = []

    def wait(self, outputs: int) -> None:
        """Wait for a number of outputs."""
        self._measure.wait(self.process, self._contract, outputs)

    def sample(self, events: int) -> None:
        """Note what it has spent after some events."""
        self.samples.append(Sample(events, self.process.cpu_seconds(), self.process.megabytes()))

    def stamps(self, events: int) -> NDArray[np.float64]:
        """Check its outputs, and return when the broker appended the prediction of each event after the warm-up."""
        verdict = self._measure.verify(self._contender, self._contract, WARM_UP + events)
        timed = verdict.numbers >= WARM_UP
        stamps = np.empty(events)
        stamps[verdict.numbers[timed] - WARM_UP] = verdict.stamps[timed]
        return stamps


def _handed_over(feed: Feed, workload: Workload, rate: float, sent: NDArray[np.float64]) -> Iterator[int]:
    """Produce the events, note the time of each in milliseconds since the epoch, and yield the number so far."""
    begin, done = time.monotonic(), 0
    while done < len(sent):
        due = min(len(sent), int((time.monotonic() - begin) * rate))
        for number in range(done, due):
            event = workload.event(WARM_UP + number)
            sent[number] = now()
            feed.send(*event)
        done = due
        feed.serve(0.001)
        yield done
