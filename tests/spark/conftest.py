"""One Spark for all tests of a process: it takes 20 seconds to start."""

from collections.abc import Iterator
from typing import Any

import pytest

MASTER = "local-cluster[2,1,1024]"


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A session with two executors, which are processes; it reads and writes Kafka."""
    from benchmarks.spark.session import session  # noqa: PLC0415  the copies of `tests/mutants` have no benchmarks
    from tests.spark.cluster import jars  # noqa: PLC0415  only the long tests need them

    settings = {"spark.jars": ",".join(map(str, jars()))}
    with session(MASTER, tmp_path_factory.mktemp("spark"), settings) as opened:
        yield opened
