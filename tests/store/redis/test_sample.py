"""Problems that `check` finds on a sample of keys."""

import struct
from dataclasses import replace

import pytest
import redis

from scorer.errors import Misconfigured, Unavailable
from scorer.plan.keys import KeyTemplate
from scorer.plan.plan import Entity
from scorer.store.redis.sample import sample_problems
from tests.store.redis.servers import AGED, HASH, PACKED, Fake, answers

PLENTY_MS = 30_000


@pytest.fixture
def client(redis_url: str) -> redis.Redis:
    return redis.Redis.from_url(redis_url)


def put_complete_plane(client: redis.Redis, key: str) -> None:
    client.hset(key, mapping={"seats": 180, "engines": "2", "year": "1999.5"})


def look(url: str, entity: Entity) -> tuple[list[str], list[str]]:
    problems, warnings = sample_problems(url, PLENTY_MS, entity)
    return list(map(str, problems)), warnings


def test_keys_that_fit_the_plan_are_not_reported(redis_url: str, client: redis.Redis) -> None:
    for number in range(30):
        put_complete_plane(client, f"plane:N{number}")
        client.hset(f"card:{number}", mapping={"spend": 1, "updated_at": 1700000000})
        client.set(f"route:{number}", struct.pack("<2f", 1, 2))
    client.hdel("plane:N1", "year")  # a field may be absent here and there
    client.set("plan", "x")
    for entity in (HASH, AGED, PACKED):
        assert look(redis_url, entity) == ([], [])


def test_the_absence_of_keys_is_a_warning(redis_url: str) -> None:
    problems, warnings = look(redis_url, HASH)
    assert problems == []
    assert warnings == [
        "plan.yaml: entities.plane: Redis has no key like 'plane:{tailnum}'; `scorer features load` writes them"
    ]


def test_keys_that_are_all_of_another_type_are_a_problem(redis_url: str, client: redis.Redis) -> None:
    client.set("plane:1", "180")
    client.hset("route:1", mapping={"mean": 1})
    (problem,), warnings = look(redis_url, HASH)
    assert "plan.yaml: entities.plane: 'plane:1' is a string, but layout hash needs a hash" in problem
    assert "(1 of 1 samples do not fit)" in problem
    assert warnings == []
    (problem,), _ = look(redis_url, PACKED)
    assert "'route:1' is a hash, but layout packed needs a string" in problem


def test_some_keys_of_another_type_are_a_warning(redis_url: str, client: redis.Redis) -> None:
    put_complete_plane(client, "plane:1")
    put_complete_plane(client, "plane:2")
    client.lpush("plane:3", "x")
    problems, (warning,) = look(redis_url, HASH)
    assert problems == []
    assert "'plane:3' is a list" in warning
    assert "(1 of 3 samples do not fit)" in warning


def test_packed_values_of_another_length_are_reported(redis_url: str, client: redis.Redis) -> None:
    client.set("route:1", struct.pack("<3f", 1, 2, 3))
    (problem,), _ = look(redis_url, PACKED)
    assert "'route:1' has 12 bytes instead of 8 (4 for each of `fields`)" in problem
    client.set("route:2", struct.pack("<2f", 1, 2))
    problems, (warning,) = look(redis_url, PACKED)
    assert problems == []
    assert "12 bytes" in warning


def test_fields_that_are_never_present_or_never_numbers_are_reported(redis_url: str, client: redis.Redis) -> None:
    for number in range(3):
        client.hset(f"plane:{number}", mapping={"seat": 1, "engines": "two", "year": 1999})
    client.hset("plane:0", mapping={"year": "old"})
    problems, (warning,) = look(redis_url, HASH)
    assert len(problems) == 2
    assert "has no field 'seats'; did you mean 'seat'?" in problems[0]
    assert "has b'two' in field 'engines', not a number" in problems[1]
    assert "'plane:0' has b'old' in field 'year', not a number (1 of 3 samples do not fit)" in warning


def test_the_update_time_must_be_present(redis_url: str, client: redis.Redis) -> None:
    client.hset("card:1", mapping={"spend": 1, "updated": 1})
    client.hset("card:2", mapping={"spend": 1, "updated_at": 1})
    problems, (warning,) = look(redis_url, AGED)
    assert problems == []
    assert "'card:1' has no field 'updated_at'; did you mean 'updated'?" in warning
    client.delete("card:2")
    (problem,), _ = look(redis_url, AGED)
    assert "updated_at" in problem


def test_special_characters_in_a_pattern_are_literal(redis_url: str, client: redis.Redis) -> None:
    odd = replace(HASH, key=KeyTemplate.parse("a*[b]?\\{{:{x}:{when|%Y}"))
    client.hset("aa[b]?\\{:1:2020", mapping={"none": 1})
    assert look(redis_url, odd)[1]
    put_complete_plane(client, "a*[b]?\\{:1:2020")
    assert look(redis_url, odd) == ([], [])


def test_a_user_who_may_not_sample_keys_causes_a_warning(redis_url: str, client: redis.Redis) -> None:
    client.acl_setuser("reader", enabled=True, passwords=["+pw"], commands=["+hmget", "+mget", "+select"], keys=["*"])
    url = redis_url.replace("redis://", "redis://reader:pw@")
    problems, (warning,) = look(url, HASH)
    assert problems == []
    assert "no samples were taken" in warning
    assert "scan" in warning
    client.acl_deluser("reader")


def test_a_server_that_does_not_answer_is_unavailable() -> None:
    with pytest.raises(Unavailable, match=r"127.0.0.1:1"):
        sample_problems("redis://127.0.0.1:1", PLENTY_MS, HASH)
    with (
        Fake(answers(b"-LOADING it loads\r\n")) as server,
        pytest.raises(Unavailable, match="loading its data from disk"),
    ):
        sample_problems(server.url, PLENTY_MS, HASH)
    with pytest.raises(Misconfigured):
        sample_problems("ftp://", PLENTY_MS, HASH)
