"""A search in a Redis that no plan knows yet: what it finds, and what bounds it."""

from collections.abc import Iterator
from typing import Any, cast

import pytest
import redis

from scorer.errors import Unavailable
from scorer.store.redis import explore
from scorer.store.redis.explore import Explorer, Stored, exploring

PLENTY_MS = 30_000


@pytest.fixture
def client(redis_url: str) -> redis.Redis:
    return redis.Redis.from_url(redis_url)


@pytest.fixture
def explorer(redis_url: str) -> Iterator[Explorer]:
    with exploring(redis_url, PLENTY_MS) as opened:
        yield opened


def test_the_contents_of_keys_are_shown(client: redis.Redis, explorer: Explorer) -> None:
    client.hset("plane:1", mapping={"seats": 180, "note": "x" * 65, "": "2"})
    client.set("packed:1", b"\0" * 12)
    client.lpush("queue", "x")
    search = explorer.search()
    assert sorted(search.keys) == ["packed:1", "plane:1", "queue"]
    assert (search.opaque, search.total, search.refused) == (0, 3, "")
    assert explorer.look(search.keys) == {
        "plane:1": Stored("hash", fields={"seats": "180", "note": None, "": "2"}),
        "packed:1": Stored("string", 12),
        "queue": Stored("list"),
    }


def test_keys_that_are_not_text_are_counted_and_skipped(client: redis.Redis, explorer: Explorer) -> None:
    client.hset(b"plane:\xff", mapping={"seats": 1})
    client.hset(b"plane:" + b"x" * 2_000, mapping={"seats": 1})
    client.hset("plane:ü", mapping={b"\xff": 1, "seats": b"\xfe"})
    search = explorer.search()
    assert (search.keys, search.opaque, search.total) == (("plane:ü",), 2, 3)
    assert explorer.look(search.keys) == {"plane:ü": Stored("hash", fields={"seats": None})}


def test_large_hashes_and_values_are_not_fetched(client: redis.Redis, explorer: Explorer) -> None:
    client.hset("wide", mapping={str(number): 1 for number in range(explore.MOST_FIELDS + 1)})
    client.hset("long", mapping={"a": "1", "blob": b"\0" * 50_000_000})
    before = client.info("stats")["total_net_output_bytes"]
    assert explorer.look(explorer.search().keys) == {
        "wide": Stored("hash"),
        "long": Stored("hash", fields={"a": "1", "blob": None}),
    }
    assert client.info("stats")["total_net_output_bytes"] - before < 100_000


def test_a_search_is_bounded_for_any_number_of_keys(
    client: redis.Redis, explorer: Explorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explore, "MOST_KEYS", 3_000)
    pipeline = client.pipeline()
    for number in range(30_000):
        pipeline.hset(f"plane:{number}", "seats", number)
    pipeline.execute()
    before = client.info("commandstats").get("cmdstat_scan", {}).get("calls", 0)
    search = explorer.search()
    assert len(search.keys) == len(set(search.keys)) == 3_000
    assert search.total == 30_000
    assert client.info("commandstats")["cmdstat_scan"]["calls"] - before < 30


def test_a_search_ends_in_time_if_no_key_is_found(
    client: redis.Redis, explorer: Explorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.set("one", "1")
    monkeypatch.setattr(explore, "SEARCH_SECONDS", 0.0)
    assert explorer.search().keys == ()
    monkeypatch.setattr(explore, "LOOK_SECONDS", -1.0)
    assert explorer.look(["one"]) == {}


def test_existing_keys_are_counted(client: redis.Redis, explorer: Explorer) -> None:
    client.set("a", "1")
    client.set(b"\xff", "1")
    assert explorer.existing([b"a", b"b", b"\xff"]) == 2


def test_exploring_writes_nothing(client: redis.Redis, explorer: Explorer) -> None:
    client.hset("plane:1", mapping={"seats": 180})
    client.set("text", "x")
    client.config_resetstat()
    search = explorer.search()
    explorer.look(search.keys)
    explorer.existing([b"plane:1"])
    asked = {name.removeprefix("cmdstat_") for name in client.info("commandstats")}
    reads = {"scan", "dbsize", "type", "strlen", "hlen", "hkeys", "hstrlen", "hmget", "exists"}
    assert asked - {"config|resetstat", "info", "hello", "client|setinfo", "select"} <= reads


def test_a_user_without_the_rights_to_search_or_read_is_reported(client: redis.Redis, redis_url: str) -> None:
    client.hset("plane:1", mapping={"seats": 180})
    client.hset("secret:1", mapping={"seats": 180})
    address, admin = redis_url.replace("redis://", "redis://{}:longpassword@"), cast("Any", client)
    for name, rights in (("blind", ["-@all", "+hmget", "+ping"]), ("partial", ["+@all"])):
        admin.execute_command("ACL", "SETUSER", name, "on", ">longpassword", "~plane:*", *rights)
    try:
        with exploring(address.format("blind"), PLENTY_MS) as explorer:
            search = explorer.search()
            assert search.keys == ()
            assert "ACL SETUSER blind +scan" in search.refused
            assert explorer.existing([b"plane:1"]) is None
        with exploring(address.format("partial"), PLENTY_MS) as explorer:
            search = explorer.search()
            assert sorted(search.keys) == ["plane:1", "secret:1"]
            assert list(explorer.look(search.keys)) == ["plane:1"]
            assert explorer.existing([b"secret:1"]) is None
    finally:
        admin.execute_command("ACL", "DELUSER", "blind", "partial")


def test_exploring_an_unavailable_server_is_an_error() -> None:
    with pytest.raises(Unavailable), exploring("redis://127.0.0.1:1/0", 200):
        pass
