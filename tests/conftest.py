"""Real servers for all tests, and one rule: a test that does not run has failed."""

import os
import signal
import uuid
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol, TypeVar

import hypothesis
import pytest
import redis
import structlog
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from scorer.model.xgboost import proofs
from scorer.sandbox import Kafka, Redis, training
from scorer.security import redaction
from tests.kafka.ends import wait_for_leaders

hypothesis.settings.register_profile("real-machine", deadline=None)  # the first example may compile a kernel
hypothesis.settings.load_profile("real-machine")
# A mutant has to be seen, not explained; and with the same examples each time, so that one seen today is seen tomorrow.
hypothesis.settings.register_profile(
    "mutants", deadline=None, derandomize=True, phases=set(hypothesis.Phase) - {hypothesis.Phase.shrink}
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add options for longer runs."""
    parser.addoption(
        "--torture-seconds", type=float, default=60.0, help="of random faults in each run of tests/torture"
    )
    parser.addoption("--mutants", default="0/1", help="which mutants to try: 2/8 are the third of each eight")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the mutants that are not asked for."""
    first, step = map(int, config.getoption("--mutants").split("/"))
    mutants = [item for item in items if getattr(item, "originalname", "") == "test_a_mutant_is_killed"]
    chosen = mutants[first::step]
    others = [item for item in mutants if item not in chosen]
    items[:] = [item for item in items if item not in others]
    config.hook.pytest_deselected(items=others)


def pytest_configure() -> None:
    """Have signals that end a program end this one and its children, whatever those that started it ignore or block.

    `nohup`, a script's background jobs and some build machines ignore SIGINT, and every child inherits that.
    """
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGTERM) is signal.SIG_IGN:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


_Report = TypeVar("_Report", pytest.TestReport, pytest.CollectReport)


# Brokers look for what is older than a topic's retention after 30 s, which is when some test reads an old event.
FORGETS_NOTHING = {"log.initial.task.delay.ms": "86400000"}
BORROWED = "SCORER_TESTS_KAFKA"  # the port of a broker of other tests, which the tests of a mutant use as well

DELIVERIES = ("at-least-once", "exactly-once")


def mainly(kept: object, of: Iterable[object] = DELIVERIES) -> list[Any]:
    """The values of a parameter: `make test` tries the one that is kept, and `make prove` the others."""
    return [pytest.param(each, marks=() if each == kept else pytest.mark.prove) for each in of]


class MakeTopic(Protocol):
    """Makes a topic of a name that no other test uses, and returns the name."""

    def __call__(self, stem: str = "topic", partitions: int = 1, **properties: str) -> str:
        """Create a topic; properties have `_` for `.`, as in `max_message_bytes="1"`."""
        ...


def topic_maker(bootstrap: str) -> MakeTopic:
    """Return a topic maker for a test's own broker."""
    admin = AdminClient({"bootstrap.servers": bootstrap})

    def make_topic(stem: str = "topic", partitions: int = 1, **properties: str) -> str:
        name = f"{stem}-{uuid.uuid4().hex[:12]}"
        config = {key.replace("_", "."): value for key, value in properties.items()}
        admin.create_topics([NewTopic(name, partitions, 1, config=config)])[name].result()
        wait_for_leaders(bootstrap, name, partitions)
        return name

    return make_topic


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Use two more workers than cores, since tests wait for servers: with one more, two cores are a quarter idle."""
    return (os.cpu_count() or 1) + 2


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """A broker that all tests share: make topics of your own, and leave it running."""
    if port := os.environ.get(BORROWED):
        server = Kafka(tmp_path_factory.mktemp("kafka"), advertised_port=int(port))
        server.port = int(port)
        yield server
        return
    with Kafka(tmp_path_factory.mktemp("kafka"), FORGETS_NOTHING) as server:
        training.begin()
        yield server


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    """A Redis that all tests share: leave it running."""
    with Redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def redis_url(redis_server: Redis) -> str:
    """The URL of the shared Redis, which is empty."""
    with redis.Redis.from_url(redis_server.url) as client:
        client.flushall()
    return redis_server.url


@pytest.fixture
def make_topic(kafka: Kafka) -> MakeTopic:
    """Makes topics on the shared broker."""
    return topic_maker(kafka.bootstrap)


@pytest.fixture
def own_kafka(tmp_path: Path) -> Iterator[Kafka]:
    """A broker of this test alone, to stop, kill and pause."""
    with Kafka(tmp_path / "kafka", FORGETS_NOTHING) as server:
        yield server


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[Redis]:
    """A Redis of this test alone, to stop, kill and pause."""
    with Redis(tmp_path / "redis") as server:
        yield server


@pytest.fixture(autouse=True)
def own_log() -> Iterator[None]:
    """Reset the log after each test: the stderr that it wrote to is closed."""
    yield
    structlog.reset_defaults()


@pytest.fixture(autouse=True)
def own_proofs(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder, not made yet, for what this test proves of models: each loads its models anew."""
    folder = tmp_path_factory.getbasetemp() / f"proofs-{uuid.uuid4().hex}"
    monkeypatch.setattr(proofs, "cache_folder", lambda _: folder)
    return folder


@pytest.fixture(autouse=True)
def own_secrets() -> Iterator[None]:
    """Forget secrets after each test: the next test's texts may contain them."""
    yield
    redaction.forget()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn skipped tests and expected failures into failures: they prove nothing."""
    return _no_skip((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Do the same for a file that skips itself."""
    return _no_skip((yield))


def _no_skip(report: _Report) -> _Report:
    if report.outcome == "skipped":
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid} did not run: {report.longrepr}"
    return report
