"""Layout feast: the values and times in a hash of Feast's online store."""

import math
import re
import struct
from collections.abc import Sequence
from contextlib import closing

import numpy as np
import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from scorer.batch import Lookup
from scorer.errors import Misconfigured, Problem, Unavailable
from scorer.plan.feast import FeastKey, JoinKey
from scorer.plan.plan import Entity
from scorer.store import MemoryStore, Request, connect
from scorer.store.protocol import Reply
from scorer.store.redis.layouts import commands_of, read
from scorer.store.redis.layouts.feast import field_of
from scorer.store.redis.layouts.feast_values import NULL, NUMBER, OTHER, TEXT, parse_values, why_no_number
from scorer.store.redis.resp import VALUE, Cells, Inbox
from scorer.store.redis.sample import sample_problems
from scorer.store.redis.write import write
from tests.plan.test_feast import feast_key
from tests.store.redis.feast_bytes import timestamp, value
from tests.store.redis.servers import as_redis_py_writes
from tests.store.redis.test_cluster import asked
from tests.store.redis.wire import array

NOW = 1_700_000_000.0
NAN = float("nan")
KEY = FeastKey.of("flights", [JoinKey("tailnum", "string", "tailnum")])
PLAIN = Entity("plane", KEY, "feast", ("plane_stats:seats", "plane_stats:speed", "history:flights"))
AGED = Entity("plane", KEY, "feast", PLAIN.fields, max_age=60.0)
HIT, MISSING, STALE, INVALID = Lookup.HIT, Lookup.MISSING, Lookup.STALE, Lookup.INVALID


def plane(name: str) -> bytes:
    return feast_key("flights", {"tailnum": ("string", name)})


def reply_to(entity: Entity, *hashes: Sequence[bytes | None] | bytes) -> Reply:
    request = Request(entity, [b"%d" % key for key in range(len(hashes))])
    _, widths = commands_of(request, singly=False)
    arrived = b"".join(each if isinstance(each, bytes) else array(*each) for each in hashes)
    inbox = Inbox()
    inbox.expect(widths)
    inbox.room()[: len(arrived)] = arrived
    assert inbox.received(len(arrived))
    return read(request, inbox.cells, NOW)


def parsed(*values: bytes) -> tuple[list[float], list[int]]:
    ends = np.cumsum([len(each) for each in values], dtype=np.int64)
    starts = ends - [len(each) for each in values]
    marks = np.array([np.full(len(values), VALUE), starts, ends])
    numbers, found = parse_values(Cells(np.frombuffer(bytearray(b"".join(values)), np.uint8), marks), 1, 1)
    return numbers.tolist(), found.tolist()


def test_hash_fields_equal_those_written_by_feast() -> None:
    assert field_of("plane_stats:seats") == bytes.fromhex("d23902fa")
    # MurmurHash3's own test vectors.
    assert [field_of(text)[::-1].hex() for text in ("", "a", "abc", "Hello, world!")] == [
        "00000000", "3c2569b2", "b3dd93fa", "c0363e43",
    ]  # fmt: skip


def test_a_request_is_one_command_per_key() -> None:
    keys = [plane("N1"), plane("")]
    fields = [field_of(feature) for feature in PLAIN.fields]
    times = ["_ts:plane_stats", "_ts:history"]
    for singly in (False, True):
        expected = b"".join(as_redis_py_writes("HMGET", key, *fields) for key in keys)
        assert commands_of(Request(PLAIN, keys), singly=singly)[0] == expected
        expected = b"".join(as_redis_py_writes("HMGET", key, *fields, *times) for key in keys)
        assert commands_of(Request(AGED, keys), singly=singly)[0] == expected


@pytest.mark.parametrize(
    ("encoded", "number"),
    [
        ("209601", 150.0),
        ("2000", 0.0),
        ("350000c03f", 1.5),
        ("29000000000000f8bf", -1.5),
        ("3801", 1.0),
        ("3800", 0.0),
        ("18ffffffffffffffffff01", -1.0),
        ("20ffffffffffffffffff01", -1.0),
        ("18ffffffff07", 2147483647.0),
        ("2080808080808080808001", -(2.0**63)),
        ("40feffffffffffffffff01", -2.0),
        ("1204" + b"12.5".hex(), 12.5),
        ("1203" + b"nan".hex(), NAN),
        ("29000000000000f87f", NAN),
    ],
)
def test_a_number_is_decoded(encoded: str, number: float) -> None:
    numbers, found = parsed(bytes.fromhex(encoded))
    assert found == [NUMBER]
    np.testing.assert_array_equal(numbers, [number])


@pytest.mark.parametrize(
    ("encoded", "found"),
    [("", NULL), ("980100", NULL), ("4080808080808080808001", NULL), ("120141", TEXT), ("1200", TEXT)],
)
def test_null_and_text_are_recognised(encoded: str, found: int) -> None:
    numbers, kinds = parsed(bytes.fromhex(encoded))
    assert kinds == [found]
    assert math.isnan(numbers[0])


@pytest.mark.parametrize(
    "encoded",
    [
        "0a0141",  # bytes
        "72030a010a",  # a list
        "980101",
        "9801",
        "20",
        "2080",
        "20" + "80" * 10 + "01",
        "209601ff",
        "20962096",
        "35000000",
        "350000c03f00",
        "2900000000000000",
        "38",
        "120241",
        "12014141",
        "12",
        "12ff",
        "2196",
        "ff",
        "00",
    ],
)
def test_values_that_are_not_numbers_are_recognised(encoded: str) -> None:
    numbers, found = parsed(bytes.fromhex(encoded))
    assert found == [OTHER]
    assert math.isnan(numbers[0])
    assert why_no_number(bytes.fromhex(encoded))


typed = st.one_of(
    st.tuples(st.just("int32"), st.integers(-(2**31), 2**31 - 1)),
    st.tuples(st.sampled_from(["int64", "unix_timestamp"]), st.integers(-(2**63), 2**63 - 1)),
    st.tuples(st.just("double"), st.floats()),
    st.tuples(st.just("float"), st.floats(width=32)),
    st.tuples(st.just("bool"), st.booleans()),
    st.tuples(st.just("string"), st.text() | st.floats().map(repr) | st.integers().map(str)),
    st.tuples(st.just("bytes"), st.binary()),
    st.tuples(st.just("list"), st.lists(st.integers(0, 2**40))),
    st.tuples(st.just("null"), st.none()),
    st.none(),
)


def meant(kind: str, content: object) -> float | None:
    """The number that a value is; None if it is not one."""
    if kind in {"list", "bytes", "null"}:
        return None
    try:
        return float(content)  # type: ignore[arg-type]  # of any type
    except ValueError:
        return None


@given(st.lists(typed, min_size=1, max_size=30))
def test_every_type_is_read_as_it_was_written(items: list[tuple[str, object] | None]) -> None:
    numbers, found = parsed(*(b"" if item is None else value(*item) for item in items))
    for item, number, kind in zip(items, numbers, found, strict=True):
        expected = None if item is None else meant(*item)
        is_nan = item is not None and item[0] == "float" and math.isnan(expected or 0)
        if item is None or item[0] == "null" or item == ("unix_timestamp", -(2**63)) or is_nan:
            assert kind == NULL
        elif expected is None:
            assert kind in {TEXT, OTHER}
        else:
            assert kind == NUMBER
            np.testing.assert_array_equal(struct.pack("<d", number), struct.pack("<d", expected))


@given(st.lists(st.binary(max_size=12), min_size=1, max_size=20))
def test_any_bytes_are_read_within_their_bounds(values: list[bytes]) -> None:
    together = parsed(*values)
    alone = [parsed(each) for each in values]
    np.testing.assert_array_equal(together[0], [numbers[0] for numbers, _ in alone])
    assert together[1] == [found[0] for _, found in alone]


def test_a_key_is_missing_only_if_it_has_no_features() -> None:
    reply = reply_to(
        PLAIN,
        [value("int64", 150), value("float", 1.5), value("int32", 7)],
        [b"", value("string", "fast"), None],
        [None, None, None],
        [b"", value("null"), value("float", NAN)],
        b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n",
    )
    assert reply.results.tolist() == [HIT, HIT, MISSING, MISSING, INVALID]
    assert reply.absent.tolist() == [[False] * 3, *[[True] * 3] * 4]
    np.testing.assert_array_equal(reply.values, [[150, 1.5, 7], *[[NAN] * 3] * 4])
    assert reply.changed is None


SOON, OLD = int(NOW) - 60, int(NOW) - 61


@pytest.mark.parametrize(
    ("stats", "history", "lookup"),
    [
        (timestamp(SOON), timestamp(SOON), HIT),
        (timestamp(OLD, 999_000_000), timestamp(SOON), STALE),
        (timestamp(SOON), timestamp(OLD), STALE),  # any view that has features here
        (timestamp(int(NOW) + 5), timestamp(SOON, 1), HIT),  # a clock ahead of ours
        (None, timestamp(SOON), STALE),
        (b"", timestamp(SOON), STALE),  # 1970
        (b"\x08", timestamp(SOON), STALE),
        (b"\x18\x01", timestamp(SOON), STALE),
        (timestamp(-5), timestamp(SOON), STALE),
    ],
)
def test_freshness_must_be_proven_for_each_view(stats: bytes | None, history: bytes | None, lookup: Lookup) -> None:
    reply = reply_to(AGED, [value("int64", 1), value("float", 2), value("int64", 3), stats, history])
    assert reply.results.tolist() == [lookup]
    np.testing.assert_array_equal(reply.values, [[1, 2, 3] if lookup == HIT else [NAN] * 3])


def test_a_missing_view_has_no_age() -> None:
    reply = reply_to(
        AGED,
        [value("int64", 1), None, None, timestamp(SOON), None],
        [None, None, value("int64", 3), timestamp(OLD), timestamp(SOON, 500_000_000)],
        [None, None, None, timestamp(SOON), None],
    )
    assert reply.results.tolist() == [HIT, HIT, MISSING]
    assert reply.absent.tolist() == [[False, True, True], [True, True, False], [True] * 3]
    assert reply.changed is not None
    assert reply.changed[:2].tolist() == [SOON, SOON + 0.5]


@pytest.fixture
def client(redis_url: str) -> redis.Redis:
    return redis.Redis.from_url(redis_url)


def put(client: redis.Redis, key: bytes, features: dict[str, bytes], **times: bytes) -> None:
    client.hset(key, mapping={field_of(name): encoded for name, encoded in features.items()})
    for view, time in times.items():
        client.hset(key, f"_ts:{view}", time)


def test_a_mapping_returns_the_same_features_as_redis(redis_url: str, client: redis.Redis) -> None:
    records: dict[str, dict[str, object]] = {
        "N1": {"plane_stats:seats": 150, "plane_stats:speed": 1.5, "_ts:plane_stats": NOW, "history:flights": None},
        "N2": {"plane_stats:seats": None, "history:flights": "many", "_ts:history": NOW - 60.5},
        "a, b": {"plane_stats:seats": None},
        "\\": {"history:flights": "7.5", "_ts:history": NOW, "plane_stats:seats": 1},
    }
    kinds = {int: "int64", float: "double", str: "string"}
    for name, record in records.items():
        features = {
            feature: value(kinds[type(content)], content) if content is not None else b""
            for feature, content in record.items()
            if ":" in feature and not feature.startswith("_ts")
        }
        times = {
            feature.removeprefix("_ts:"): timestamp(int(at // 1), round(at % 1 * 1e9))
            for feature, at in record.items()
            if feature.startswith("_ts") and isinstance(at, float)
        }
        put(client, plane(name), features, **times)
    shown = {"N1": "tailnum=N1", "N2": "tailnum=N2", "a, b": r"tailnum=a\, b", "\\": r"tailnum=\\"}
    memory = {"plane": {shown[name]: record for name, record in records.items()}}
    keys = [plane(name) for name in (*records, "N3")]
    for entity in (PLAIN, AGED):
        (mine,) = MemoryStore([entity], memory).fetch([Request(entity, keys)], NOW)  # type: ignore[arg-type]  # numbers
        with closing(connect(redis_url, 10_000)) as store:
            (theirs,) = store.fetch([Request(entity, keys)], NOW)
        expected = [HIT, STALE, MISSING, STALE, MISSING] if entity is AGED else [HIT, HIT, MISSING, HIT, MISSING]
        assert mine.results.tolist() == theirs.results.tolist() == expected
        assert mine.absent.tolist() == theirs.absent.tolist()
        np.testing.assert_array_equal(mine.values, theirs.values)


def test_loading_is_left_to_feast(redis_url: str, client: redis.Redis) -> None:
    with pytest.raises(
        Misconfigured, match=r"plan.yaml: entities.plane: its features have layout feast, which `scorer"
    ):
        write(redis_url, PLAIN, [], lambda _: None)
    assert client.dbsize() == 0


def test_a_key_that_may_not_be_read_is_named_in_readable_form(redis_url: str, client: redis.Redis) -> None:
    asked(client, "ACL", "SETUSER", "app", "reset", "on", ">pw", "~*other", "+hmget", "+ping")
    url = redis_url.replace("://", "://app:pw@")
    granted = re.escape(
        "for key 'tailnum=N1' of entity 'plane': grant the user its keys, with ACL SETUSER app ~*flights"
    )
    try:
        with closing(connect(url, 10_000)) as store:
            with pytest.raises(Unavailable, match=granted):
                store.fetch([Request(PLAIN, [plane("N1")])], NOW)
            asked(client, "ACL", "SETUSER", "app", "~*flights")
            (reply,) = store.fetch([Request(PLAIN, [plane("N1")])], NOW)
        assert reply.results.tolist() == [MISSING]
    finally:
        asked(client, "ACL", "DELUSER", "app")


def said(url: str, entity: Entity) -> tuple[list[Problem], list[str]]:
    return sample_problems(url, 10_000, entity)


def test_samples_that_fit_cause_no_problems(redis_url: str, client: redis.Redis) -> None:
    for name in ("N1", "N2"):
        features = {
            "plane_stats:seats": value("int64", 1),
            "plane_stats:speed": b"",
            "history:flights": value("string", "7"),
        }
        put(client, plane(name), features, plane_stats=timestamp(1), history=timestamp(1))
    # What belongs to another project is no sample, although the pattern of SCAN fits it.
    put(client, feast_key("my_flights", {"tailnum": ("string", "N1")}), {"x:y": b""})
    assert said(redis_url, AGED) == ([], [])


def test_a_lack_of_samples_causes_a_warning(redis_url: str) -> None:
    (_, [warning]) = said(redis_url, PLAIN)
    assert warning.endswith("no key like 'tailnum={tailnum} of project flights'; Feast's `materialize` writes them")


def test_a_misspelled_view_and_a_feature_that_is_not_a_number_are_reported(redis_url: str, client: redis.Redis) -> None:
    features = {"plane_stat:seats": value("int64", 1), "history:flights": value("string", "many")}
    put(client, plane("N1"), features, plane_stat=timestamp(1), history=timestamp(1))
    problems, warnings = said(redis_url, PLAIN)
    texts = [str(problem) for problem in problems]
    assert len(texts) == 2
    assert not warnings
    assert "'tailnum=N1' has no feature view 'plane_stats'; did you mean 'plane_stat'? (1 of 1 samples" in texts[0]
    assert "'tailnum=N1' has the text b'many' in 'history:flights', not a number (1 of 1" in texts[1]


def test_a_feature_may_be_absent_from_some_keys_but_not_all(redis_url: str, client: redis.Redis) -> None:
    both = {"plane_stats:speed": value("float", 1), "history:flights": value("int64", 1)}
    put(client, plane("N1"), both | {"plane_stats:seats": b""}, plane_stats=timestamp(1), history=timestamp(1))
    put(client, plane("N2"), both, plane_stats=timestamp(1), history=timestamp(1))
    problems, warnings = said(redis_url, PLAIN)
    assert not problems
    assert not warnings  # some keys may lack a feature
    client.delete(plane("N1"))
    ((problem,), _) = said(redis_url, PLAIN)
    assert "has no feature 'plane_stats:seats', although it has the view (1 of 1" in str(problem)
