from collections.abc import Iterator

import pytest

from benchmarks.measure import Measure
from benchmarks.workload import Workload, flights, prepare
from benchmarks.workload.wide import wide
from scorer.sandbox import Redis, Sandbox


@pytest.fixture(scope="session")
def workload() -> Workload:
    """The real workload, which is made at the first run of a user and kept."""
    return prepare(print)


@pytest.fixture(scope="session")
def loaded_redis(redis_server: Redis, workload: Workload) -> Redis:
    """The shared server with the features of the workload."""
    workload.load_redis(redis_server.url)
    return redis_server


@pytest.fixture(scope="session")
def sandbox(workload: Workload) -> Iterator[Sandbox]:
    """Servers of these tests alone, with the features of the workload."""
    with Sandbox() as servers:
        workload.load_redis(servers.redis.url)
        yield servers


@pytest.fixture(scope="session")
def measure(sandbox: Sandbox, workload: Workload) -> Measure:
    return Measure(sandbox, workload)


@pytest.fixture(scope="session")
def wide_workload(tmp_path_factory: pytest.TempPathFactory) -> Workload:
    """A workload of eleven columns, a prime number."""
    return wide(tmp_path_factory.mktemp("wide") / "workload", flights.read(), 11)
