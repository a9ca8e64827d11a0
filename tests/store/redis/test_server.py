"""The store on a real server finds the same as a slow and simple reader."""

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scorer.batch import Lookup
from scorer.errors import Unavailable
from scorer.plan.plan import Entity
from scorer.store.protocol import Request, Store
from scorer.store.redis.connect import connect
from tests.store.redis.servers import AGED, HASH, PACKED, Custom

NOW = 1_700_000_000.0
PLENTY_MS = 30_000
SECRET = "s3cret/@"  # noqa: S105  of a server that lives for one test
KEYS = [b"k:%d" % number for number in range(6)]

NUMBERS = st.one_of(
    st.floats().map(repr),
    st.integers(-(10**22), 10**22).map(str),
    st.sampled_from([" 7 ", "1_0", "", "x", "nan", "\u0663"]),
)
TIMES = st.one_of(st.floats(NOW - 100, NOW + 10).map(repr), st.sampled_from(["", "now", "nan"]))
HASHES = st.dictionaries(st.sampled_from(["seats", "engines", "year", "spend", "other"]), NUMBERS, max_size=4)
STORED = st.one_of(
    st.none(),
    st.tuples(HASHES, st.one_of(st.none(), TIMES)),
    st.lists(st.floats(width=32), min_size=2, max_size=2).map(lambda row: struct.pack("<2f", *row)),
    st.binary(max_size=9),
)


@pytest.fixture
def store(redis_url: str) -> Iterator[Store]:
    store = connect(redis_url, PLENTY_MS)
    yield store
    store.close()


@pytest.fixture
def client(redis_url: str) -> redis.Redis:
    return redis.Redis.from_url(redis_url)


def number(text: object) -> float | None:
    try:
        return float(text.decode()) if isinstance(text, bytes) else None
    except ValueError:
        return None


def find(client: redis.Redis, entity: Entity, key: bytes) -> tuple[Lookup, list[float | None]]:
    """Return the specified result for one key, read with a plain client without regard to speed."""
    lookup, values = (find_packed if entity.layout == "packed" else find_hash)(client, entity, key)
    return lookup, values if lookup == Lookup.HIT else [None] * len(entity.fields)


def find_packed(client: redis.Redis, entity: Entity, key: bytes) -> tuple[Lookup, list[float | None]]:
    packed = client.mget([key])[0]
    if not isinstance(packed, bytes):
        return Lookup.MISSING, []
    if len(packed) != 4 * len(entity.fields):
        return Lookup.INVALID, []
    return Lookup.HIT, list(struct.unpack(f"<{len(entity.fields)}f", packed))


def find_hash(client: redis.Redis, entity: Entity, key: bytes) -> tuple[Lookup, list[float | None]]:
    try:
        *texts, updated = client.hmget(key, [*entity.fields, entity.updated or "none"])
    except redis.ResponseError:
        return Lookup.INVALID, []
    if all(text is None for text in texts):
        return Lookup.MISSING, []
    changed = number(updated)
    if entity.max_age is not None and not (changed is not None and NOW - changed <= entity.max_age):
        return Lookup.STALE, []
    return Lookup.HIT, [number(text) for text in texts]


def assert_found(store: Store, client: redis.Redis, requests: list[Request]) -> None:
    replies = store.fetch(requests, NOW)
    assert len(replies) == len(requests)
    for request, reply in zip(requests, replies, strict=True):
        for row, key in enumerate(request.keys):
            lookup, values = find(client, request.entity, key)
            assert reply.results[row] == lookup, key
            assert reply.absent[row].tolist() == [value is None for value in values]
            np.testing.assert_array_equal(reply.values[row], [np.nan if value is None else value for value in values])


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(STORED, min_size=len(KEYS), max_size=len(KEYS)))
def test_the_store_finds_the_same_values_as_a_slow_reader(
    store: Store, client: redis.Redis, stored: list[object]
) -> None:
    with client.pipeline(transaction=False) as pipeline:
        pipeline.flushdb()
        for key, value in zip(KEYS, stored, strict=True):
            if isinstance(value, bytes):
                pipeline.set(key, value)
            elif isinstance(value, tuple):
                fields, updated = value
                mapping = fields if updated is None else fields | {"updated_at": updated}
                if mapping:
                    pipeline.hset(key, mapping=mapping)
        pipeline.execute()
    assert_found(store, client, [Request(HASH, KEYS), Request(AGED, KEYS[::-1]), Request(PACKED, KEYS)])


def test_large_batches_are_written_while_their_replies_are_read(store: Store, client: redis.Redis) -> None:
    rng = np.random.default_rng(1)
    numbers = rng.normal(size=(10_000, 3))
    keys = [b"plane:%05d:" % row + b"x" * 500 for row in range(len(numbers))]
    with client.pipeline(transaction=False) as pipeline:
        for key, row in zip(keys, numbers.tolist(), strict=True):
            pipeline.hset(key, mapping=dict(zip(HASH.fields, map(repr, row), strict=True)))
            pipeline.set(key + b"p", np.array(row[:2], "<f4").tobytes())
        pipeline.execute()
    both = [Request(HASH, keys), Request(PACKED, [key + b"p" for key in keys])]
    for _ in range(2):
        hashes, packed = store.fetch(both, NOW)
        np.testing.assert_array_equal(hashes.values, numbers)
        np.testing.assert_array_equal(packed.values, numbers[:, :2].astype(np.float32))


def test_one_value_may_be_larger_than_any_buffer(store: Store, client: redis.Redis) -> None:
    client.hset("big", mapping={"seats": "9" * 300_000, "engines": "2"})
    (reply,) = store.fetch([Request(HASH, [b"big"])], NOW)
    assert reply.values[0, :2].tolist() == [float("inf"), 2]


def test_replies_stay_valid_after_another_fetch(store: Store, client: redis.Redis) -> None:
    client.hset("a", mapping={"seats": "1"})
    client.set("b", struct.pack("<2f", 3, 4))
    first = store.fetch([Request(HASH, [b"a"]), Request(PACKED, [b"b"])], NOW)
    store.fetch([Request(HASH, [b"b"]), Request(PACKED, [b"nothing"])], NOW)
    assert first[0].values[0, 0] == 1
    assert first[1].values.tolist() == [[3, 4]]


def test_no_server_is_needed_without_keys() -> None:
    store = connect("redis://127.0.0.1:1/0", 100)
    replies = store.fetch([Request(HASH, []), Request(PACKED, [])], NOW)
    assert [reply.values.shape for reply in replies] == [(0, 3), (0, 2)]
    assert store.fetch([], NOW) == []
    store.close()


def test_a_closed_store_opens_again(store: Store) -> None:
    store.ping()
    store.close()
    store.ping()


def test_an_idle_connection_that_was_closed_is_replaced(store: Store, client: redis.Redis) -> None:
    client.hset("a", mapping={"seats": "1"})
    for _ in range(3):
        assert store.fetch([Request(HASH, [b"a"])], NOW)[0].values[0, 0] == 1
        client.client_kill_filter(_type="normal", skipme=True)


def test_databases_users_and_sockets_are_supported(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with Custom(tmp_path / "redis", unixsocket=str(path), requirepass=SECRET) as server:
        client = redis.Redis(port=server.port, password=SECRET)
        client.acl_setuser("reader", enabled=True, passwords=["+pw"], commands=["+hmget", "+select"], keys=["a*"])
        redis.Redis(port=server.port, password=SECRET, db=3).hset("a", mapping={"seats": "3"})
        client.hset("a", mapping={"seats": "0"})
        at = f"127.0.0.1:{server.port}"
        for url, seats in {
            f"redis://:s3cret%2F%40@{at}": 0,
            f"redis://default:s3cret%2F%40@{at}/3": 3,
            f"redis://{at}?password=s3cret%2F%40&db=3&client_name=x": 3,
            f"redis://reader:pw@{at}/3": 3,
            f"unix://:s3cret%2F%40@{path}?db=3": 3,
            f"unix://{path}?password=s3cret%2F%40": 0,
        }.items():
            store = connect(url, PLENTY_MS)
            store.ping()
            assert store.fetch([Request(HASH, [b"a"])], NOW)[0].values[0, 0] == seats, url
            store.close()

        refused = {
            f"redis://{at}": "NOAUTH .* put the user name and the password into features.url",
            f"redis://:s3cret_2@{at}": "WRONGPASS .* correct the user name or the password",
            f"redis://reader:s3cret_2@{at}": "WRONGPASS",
            f"redis://:s3cret%2F%40@{at}/99": "out of range",
        }
        for url, expected in refused.items():
            store = connect(url, PLENTY_MS)
            for call in (store.ping, lambda store=store: store.fetch([Request(HASH, [b"a"])], NOW)):
                with pytest.raises(Unavailable, match=expected) as caught:
                    call()
                assert "s3cret" not in str(caught.value)
                assert at in str(caught.value)

        store = connect(f"redis://reader:pw@{at}", PLENTY_MS)
        with pytest.raises(Unavailable, match=r"NOPERM .* grant the user"):
            store.fetch([Request(HASH, [b"b"])], NOW)
