"""The measurement of several replicas of one group that work through one backlog in parallel."""

from contextlib import ExitStack
from dataclasses import dataclass

from benchmarks.contenders import Contender
from benchmarks.measure import MILLION, Measure, now, spent
from benchmarks.process import cpu_seconds
from scorer.errors import Fatal

LEAST_MS = 500.0  # side by side, for a rate


@dataclass(frozen=True, slots=True)
class Together:
    """The result from the time when each had its partitions until the first partition ended.

    rate:      events a second of all of them.
    cpu_us:    microseconds of theirs an event; `kafka_us` of the broker's, `redis_us` of Redis's.
    seconds:   that this lasted.
    """

    rate: float
    cpu_us: float
    kafka_us: float
    redis_us: float
    seconds: float


def together(measure: Measure, contender: Contender, events: int, replicas: int) -> Together:
    """Let several replicas work through a backlog.

    Raises:
        Fatal: one ended or stalled, an output is missing, there twice, or wrong; or the backlog was over too soon.
    """
    topics = measure.topics
    contract = measure.contract(contender, topics.filled(measure.workload, events))
    command = contender.program.command(contract)
    servers = measure.sandbox.kafka, measure.sandbox.redis
    begin, samples = 0.0, []
    with ExitStack() as stack:
        programs = [stack.enter_context(measure.start(command, contract, number)) for number in range(replicas)]
        for done in measure.looks(programs, contract, events):
            replicas_seconds = sum(program.cpu_seconds() for program in programs)
            samples.append((now(), replicas_seconds, *(cpu_seconds(server.pid) for server in servers)))
            if done and not begin and topics.shared(contract.group, replicas):
                begin = now()
        for program in programs:
            program.stop()
    verdict = measure.verify(contender, contract, events)
    partitions = verdict.numbers % topics.partitions
    end = float(min(verdict.stamps[partitions == at].max() for at in range(topics.partitions)))
    if not begin or end - begin < LEAST_MS:
        raise Fatal(f"a backlog of {events:,} was over before {replicas} replicas shared it; use more events")
    count = int(((verdict.stamps >= begin) & (verdict.stamps < end)).sum())
    of_replicas, of_kafka, of_redis = (MILLION * seconds / count for seconds in spent(samples, begin, end))
    return Together(1000 * count / (end - begin), of_replicas, of_kafka, of_redis, (end - begin) / 1000)
