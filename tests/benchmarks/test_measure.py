import sys

import pytest

from benchmarks.contenders import PREDICTIONS, Contender, Program, contenders, replica
from benchmarks.contract import Contract
from benchmarks.measure import Measure
from benchmarks.steady import at_once, steady
from benchmarks.workload import Workload
from scorer.errors import Fatal
from scorer.sandbox import Sandbox
from tests.conftest import mainly

WRITES_NONSENSE = """
import os, time
from confluent_kafka import Producer
producer = Producer({"bootstrap.servers": os.environ["BENCH_BOOTSTRAP"]})
for number in range(3000):
    producer.produce(os.environ["BENCH_OUTPUT_TOPIC"], b"nonsense", b"key")
producer.flush()
time.sleep(60)
"""


def script(text: str) -> Contender:
    return Contender("script", "hash", Program(1, ("hash",), PREDICTIONS, lambda _: [sys.executable, "-c", text]))


CONTENDERS = mainly(replica("hash", 500), of=contenders(["batched"], ["hash", "packed"], [500]))


@pytest.mark.prove
@pytest.mark.parametrize("contender", CONTENDERS, ids=str)
def test_a_backlog_is_processed_and_verified(measure: Measure, contender: Contender) -> None:
    run = measure.throughput(contender, 5000)
    assert run.events == 5000
    assert run.rate > 0
    assert run.cpu_us > 0
    assert run.megabytes > 1


@pytest.mark.prove
def test_latency_is_that_of_the_events_after_the_warm_up(measure: Measure) -> None:
    run = steady(measure, contenders([], ["hash"], [500])[0], 200, 2).whole()
    assert run.events == 400
    assert 0 <= run.p50 <= run.p99 <= run.longest


@pytest.mark.prove
def test_replicas_that_are_measured_at_once_get_the_same_events(measure: Measure) -> None:
    both = contenders([], ["hash"], [500, 2_000])
    runs = at_once(measure, both, 200, 2)
    assert [len(run.waits) for run in runs] == [400, 400]
    assert [[sample.events for sample in run.samples] for run in runs] == [[0, 400], [0, 400]]
    assert runs[0].rate == runs[1].rate
    assert runs[0].waits.tolist() != runs[1].waits.tolist(), "each has outputs of its own"


def test_a_run_with_a_wrong_output_has_failed(measure: Measure) -> None:
    with pytest.raises(Fatal, match=r"of script, hash over 3,000 events failed: missing 3,000, .* wrong 3,000"):
        measure.throughput(script(WRITES_NONSENSE), 3000)


def test_a_program_that_exits_has_failed(measure: Measure) -> None:
    with pytest.raises(Fatal, match="no such luck"):
        measure.throughput(script("raise SystemExit('no such luck')"), 3000)


def test_programs_read_the_same_events(measure: Measure, workload: Workload) -> None:
    assert measure.topics.filled(workload, 5000) == measure.topics.filled(workload, 5000)
    assert measure.topics.count(measure.topics.filled(workload, 5000)) == 5000


def test_every_program_receives_the_address_of_its_features(measure: Measure, sandbox: Sandbox) -> None:
    told: list[Contract] = []

    def command(contract: Contract) -> list[str]:
        told.append(contract)
        return [sys.executable, "-c", "raise SystemExit(3)"]

    one = Contender("one", "packed", Program(1, ("packed",), PREDICTIONS, command))
    with pytest.raises(Fatal):
        measure.throughput(one, 5000)
    assert told[0].layout == "packed"
    assert told[0].redis == sandbox.redis.address
