import struct
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scorer.batch import Lookup
from scorer.plan.plan import Entity
from scorer.store.protocol import Reply, Request
from scorer.store.redis.layouts import commands_of, read
from scorer.store.redis.resp import Inbox
from tests.store.redis.servers import AGED, HASH, PACKED, as_redis_py_writes
from tests.store.redis.wire import array, bulk

NOW = 1_700_000_000.0
NAN = float("nan")


def reply_to(entity: Entity, keys: int, arrived: bytes, *, singly: bool = False) -> Reply:
    request = Request(entity, [b"%d" % key for key in range(keys)])
    _, widths = commands_of(request, singly=singly)
    inbox = Inbox()
    inbox.expect(widths)
    inbox.room()[: len(arrived)] = arrived
    assert inbox.received(len(arrived))
    return read(request, inbox.cells, NOW)


def assert_reply(reply: Reply, lookup: Sequence[Lookup], values: Sequence[Sequence[float]]) -> None:
    assert [Lookup(state) for state in reply.results.tolist()] == list(lookup)
    np.testing.assert_array_equal(reply.values, np.array(values))
    assert reply.values.dtype == np.float64
    assert reply.absent.dtype == np.bool_
    assert reply.results.dtype == np.uint8
    assert reply.absent[reply.results != Lookup.HIT].all()


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=5))
def test_a_request_is_encoded_as_redis_py_encodes_it(keys: list[bytes]) -> None:
    written = as_redis_py_writes
    for entity, fields in ((HASH, ["seats", "engines", "year"]), (AGED, ["spend", "updated_at"])):
        expected = b"".join(written("HMGET", key, *fields) for key in keys)
        assert commands_of(Request(entity, keys), singly=False)[0] == expected
        assert commands_of(Request(entity, keys), singly=True)[0] == expected
    assert commands_of(Request(PACKED, keys), singly=False)[0] == written("MGET", *keys)
    assert commands_of(Request(PACKED, keys), singly=True)[0] == b"".join(written("GET", key) for key in keys)


@pytest.mark.parametrize("entity", [HASH, AGED, PACKED])
def test_a_request_without_keys_has_no_commands(entity: Entity) -> None:
    commands, widths = commands_of(Request(entity, []), singly=False)
    assert commands == b""
    assert len(widths) == 0
    reply = read(Request(entity, []), Inbox().cells, NOW)
    assert reply.values.shape == reply.absent.shape == (0, len(entity.fields))
    assert reply.results.shape == (0,)


def test_a_hash_is_missing_only_if_all_its_fields_are_absent() -> None:
    reply = reply_to(
        HASH,
        4,
        array(b"180", b"2", b"1999.5") + array(None, b"2", None) + array(None, None, None) + array(b"many", None, None),
    )
    assert_reply(
        reply,
        [Lookup.HIT, Lookup.HIT, Lookup.MISSING, Lookup.HIT],
        [[180, 2, 1999.5], [NAN, 2, NAN], [NAN, NAN, NAN], [NAN, NAN, NAN]],
    )
    assert reply.absent.tolist() == [[False] * 3, [True, False, True], [True] * 3, [True] * 3]


def test_a_nan_in_a_hash_is_not_absent() -> None:
    reply = reply_to(HASH, 1, array(b"nan", b"inf", b" 1_0 "))
    assert_reply(reply, [Lookup.HIT], [[NAN, float("inf"), 10]])
    assert not reply.absent.any()


def test_another_type_is_invalid() -> None:
    wrong = b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"
    assert_reply(
        reply_to(HASH, 2, wrong + array(b"1", b"2", b"3")), [Lookup.INVALID, Lookup.HIT], [[NAN] * 3, [1, 2, 3]]
    )
    assert_reply(
        reply_to(PACKED, 2, bulk(struct.pack("<2f", 1, 2)) + wrong, singly=True),
        [Lookup.HIT, Lookup.INVALID],
        [[1, 2], [NAN] * 2],
    )


@pytest.mark.parametrize(
    ("updated", "lookup"),
    [
        (b"%d" % NOW, Lookup.HIT),
        (b"%f" % (NOW - 60), Lookup.HIT),
        (b"%f" % (NOW - 60.01), Lookup.STALE),
        (b"%d" % (NOW + 5), Lookup.HIT),  # a clock ahead of ours
        (None, Lookup.STALE),
        (b"yesterday", Lookup.STALE),
        (b"nan", Lookup.STALE),
        (b"inf", Lookup.STALE),
        (b"-inf", Lookup.STALE),
    ],
)
def test_freshness_must_be_proven_by_the_update_time(updated: bytes | None, lookup: Lookup) -> None:
    spend = 12.5 if lookup == Lookup.HIT else NAN
    assert_reply(reply_to(AGED, 1, array(b"12.5", updated)), [lookup], [[spend]])


def test_an_update_time_alone_is_not_an_entity() -> None:
    assert_reply(reply_to(AGED, 1, array(None, b"%d" % NOW)), [Lookup.MISSING], [[NAN]])


def test_packed_values_are_float32_widened() -> None:
    arrived = array(
        struct.pack("<2f", 0.1, -1e30), None, b"short", struct.pack("<3f", 1, 2, 3), b"", struct.pack("<2f", NAN, 0)
    )
    reply = reply_to(PACKED, 6, arrived)
    hit, missing, invalid = Lookup.HIT, Lookup.MISSING, Lookup.INVALID
    wide = [float(np.float32(0.1)), float(np.float32(-1e30))]
    assert_reply(reply, [hit, missing, invalid, invalid, invalid, hit], [wide, *[[NAN] * 2] * 4, [NAN, 0]])
    assert not reply.absent[[0, 5]].any()


@given(st.lists(st.lists(st.floats(width=32), min_size=2, max_size=2), min_size=1, max_size=20))
def test_packed_values_keep_every_bit(rows: list[list[float]]) -> None:
    reply = reply_to(PACKED, len(rows), array(*(struct.pack("<2f", *row) for row in rows)))
    np.testing.assert_array_equal(reply.values.astype(np.float32), np.array(rows, np.float32))
    assert (reply.results == Lookup.HIT).all()
