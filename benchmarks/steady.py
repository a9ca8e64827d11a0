"""The measurement of events at a steady rate: the latency of their predictions, and the cost."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from benchmarks.contenders import Contender
from benchmarks.measure import MILLION, Measure, now
from benchmarks.process import Process
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
    events = int(rate * seconds)
    contract = measure.contract(contender, measure.topics.empty())
    feed = Feed(contract.bootstrap, contract.input_topic, LINGER_MS if rate > SINGLY else 0)
    with measure.start(contender.program.command(contract), contract) as process:
        for number in range(WARM_UP):
            feed.send(*measure.workload.event(number))
        measure.wait(process, contract, WARM_UP)
        time.sleep(1)
        samples = [_sample(process, 0)]
        sent = np.empty(events)
        for done in _handed_over(feed, measure.workload, rate, sent):
            if every and len(sent) - done > rate * every / 2 and done >= rate * every * len(samples):
                samples.append(_sample(process, done))
        feed.finish()
        measure.wait(process, contract, WARM_UP + events)
        samples.append(_sample(process, events))
        process.stop()
    verdict = measure.verify(contender, contract, WARM_UP + events)
    measure.topics.remove(contract.input_topic)
    timed = verdict.numbers >= WARM_UP
    stamps = np.empty(events)
    stamps[verdict.numbers[timed] - WARM_UP] = verdict.stamps[timed]
    return Steady(1000 * events / max(np.ptp(sent), 1), stamps - sent, samples)


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


def _sample(process: Process, events: int) -> Sample:
    return Sample(events, process.cpu_seconds(), process.megabytes())
