"""The bytes that the real Feast wrote once, which `tests/feast/test_feast.py` makes anew."""

import pytest

from tests.feast.proof import ENTITIES, Recording, assert_equal, looked_up


@pytest.fixture
def recording(redis_url: str) -> Recording:
    kept = Recording.load()
    kept.restore(redis_url)
    return kept


@pytest.mark.parametrize("entity", [entity.name for entity in ENTITIES])
def test_a_replica_looks_up_the_recorded_answers_of_feast(entity: str, recording: Recording, redis_url: str) -> None:
    assert_equal(looked_up(redis_url, entity), recording.answers[entity])
