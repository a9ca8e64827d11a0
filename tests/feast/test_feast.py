"""Features that the real Feast materialises into a real Redis, in an environment of its own."""

from collections.abc import Iterator

import pytest

from benchmarks.feast.environment import Feast
from tests.feast.proof import ENTITIES, Recording, assert_equal, looked_up, materialize

pytestmark = pytest.mark.prove  # the first time installs 450 MB


@pytest.fixture(scope="module")
def feast() -> Iterator[Feast]:
    with Feast() as process:
        yield process


def test_a_replica_looks_up_the_features_that_feast_wrote(feast: Feast, redis_url: str) -> None:
    made = materialize(feast, redis_url)
    for entity in ENTITIES:
        assert_equal(looked_up(redis_url, entity.name), made.answers[entity.name])
    kept = Recording.load()
    assert made.hashes == kept.hashes
    assert made.answers == kept.answers
