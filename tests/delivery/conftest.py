from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from scorer.sandbox import Kafka
from tests.conftest import DELIVERIES, mainly
from tests.delivery.world import World

MakeWorld = Callable[..., World]


mainly_at_least_once = pytest.mark.parametrize("world", mainly("at-least-once"), indirect=True)
mainly_exactly_once = pytest.mark.parametrize("world", mainly("exactly-once"), indirect=True)


@pytest.fixture
def make_world(kafka: Kafka, redis_url: str, tmp_path: Path) -> Iterator[MakeWorld]:
    """Return a function that makes worlds, on the shared servers by default."""
    with ExitStack() as stack:

        def make(bootstrap: str = kafka.bootstrap, redis: str = redis_url, **settings: Any) -> World:
            folder = tmp_path / str(len(list(tmp_path.iterdir())))
            folder.mkdir()
            return stack.enter_context(World(bootstrap, redis, folder, **settings))

        yield make


@pytest.fixture(params=DELIVERIES)
def world(make_world: MakeWorld, request: pytest.FixtureRequest) -> World:
    """A world for each mode of delivery."""
    return make_world(kafka__delivery=request.param)
