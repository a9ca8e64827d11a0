"""Cached replies: never too old, never for another key, and scored like fresh ones."""

import struct
from collections.abc import Sequence
from itertools import chain

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from scorer.batch import Found, Lookup, Matrix
from scorer.errors import Unavailable
from scorer.plan import Plan
from scorer.store import Cache, Reply, Request
from scorer.store.cache import KEY_ROOM, WAYS
from scorer.store.lookups import PING_SECONDS
from tests.scoring.batches import Asking, Row, events
from tests.store.redis.wire import Value, Wire

PLAN = Plan.parse(
    """
entities:
  plane: {key: "plane:{tailnum}", layout: hash, fields: [seats, engines], max_age: 60, updated: at}
  route: {key: "route:{origin}", layout: packed, fields: [mean, count]}
columns:
  - {name: seats, entity: plane, field: seats, default: 5}
  - {name: engines, entity: plane, field: engines}
  - {name: mean, entity: route, field: mean}
  - {name: count, entity: route, field: count, default: -1}
""",
    "plan.yaml",
)
TTL = 4.0  # seconds; all times here are quarters, which a float has exactly
START = 1_000_000.0  # of the Unix clock, where the other shows 0


class Replica:
    """The features of a replica with a cache, or without."""

    def __init__(self, store: Wire, when_unavailable: str = "wait", max_entries: int | None = WAYS) -> None:
        self.store, self.now = store, 0.0
        cache = max_entries and Cache(PLAN.entities, int(TTL * 1000), max_entries, lambda: int(self.now * 1e9))
        self.asking = Asking(
            PLAN, store, "impute", when_unavailable, lambda: START + self.now, lambda: self.now, cache or None
        )

    def look_up(self, *rows: Row) -> tuple[Found, ...]:
        return self.asking.look_up(events(rows))

    def score(self, *rows: Row) -> Matrix:
        return self.asking.assemble(events(rows))


def hashed(seats: float, changed: float = 0.0) -> dict[str, bytes]:
    return {"seats": b"%f" % seats, "at": b"%f" % (START + changed)}


def packed(*numbers: float) -> bytes:
    return struct.pack(f"<{len(numbers)}f", *numbers)


def wire() -> Wire:
    return Wire({b"plane:N1": hashed(100), b"plane:N2": hashed(200), b"route:JFK": packed(1.5, 2)})


N1: Row = {"tailnum": "N1", "origin": "JFK"}
N2: Row = {"tailnum": "N2", "origin": "JFK"}
BOTH_KEYS = [b"plane:N1", b"route:JFK"]


def test_an_entry_is_used_until_its_ttl_expires() -> None:
    replica = Replica(wire())
    first = replica.score(N1).values
    replica.now = TTL - 0.25
    np.testing.assert_array_equal(replica.score(N1).values, first)
    assert replica.store.asked == [BOTH_KEYS]
    replica.now = TTL
    replica.store.data[b"plane:N1"] = hashed(101)
    assert replica.score(N1).values[0, 0] == 101
    assert replica.store.asked == [BOTH_KEYS] * 2


def test_a_hit_does_not_extend_the_ttl() -> None:
    replica = Replica(wire())
    for quarter in range(int(3 * TTL * 4)):
        replica.now = quarter / 4
        replica.score(N1)
    assert replica.store.asked == [BOTH_KEYS] * 3


def test_the_ttl_starts_before_the_request_is_sent() -> None:
    class Slow(Wire):
        def fetch(self, requests: Sequence[Request], now: float) -> list[Reply]:
            replica.now = 1.0
            return super().fetch(requests, now)

    replica = Replica(Slow(wire().data))
    replica.score(N1)
    replica.now = TTL
    replica.score(N1)
    assert len(replica.store.asked) == 2


def test_only_uncached_keys_are_requested_and_in_one_round_trip() -> None:
    replica = Replica(wire())
    replica.score(N1)
    plane, route = replica.look_up(N1, N2, {"tailnum": "N3", "origin": "LGA"})
    assert replica.store.asked == [BOTH_KEYS, [b"plane:N2", b"plane:N3", b"route:LGA"]]
    assert plane.results.tolist() == [Lookup.HIT, Lookup.HIT, Lookup.MISSING]
    np.testing.assert_array_equal(plane.values, [[100, np.nan], [200, np.nan], [np.nan, np.nan]])
    np.testing.assert_array_equal(route.values, [[1.5, 2], [np.nan, np.nan]])
    assert (plane.reused, route.reused) == (1, 1)


def test_no_cache_hits_are_reported_without_a_cache() -> None:
    assert [found.reused for found in Replica(wire(), max_entries=None).look_up(N1)] == [None, None]


def test_missing_and_invalid_results_are_cached_too() -> None:
    replica = Replica(Wire({b"plane:N2": b"text", b"route:EWR": packed(1.0)}))
    rows: list[Row] = [{"tailnum": "N1", "origin": "JFK"}, {"tailnum": "N2", "origin": "EWR"}]
    states = [replica.look_up(*rows) for _ in range(2)]
    assert [[found.results.tolist() for found in state] for state in states] == [
        [[Lookup.MISSING, Lookup.INVALID]] * 2
    ] * 2
    assert len(replica.store.asked) == 1


def test_a_cached_entity_can_become_stale() -> None:
    replica = Replica(Wire({b"plane:N1": hashed(100, changed=-58), b"plane:N2": hashed(200, changed=-60.25)}))
    replica.now = 2.0
    plane = replica.look_up(N1, N2)[0]
    assert plane.results.tolist() == [Lookup.HIT, Lookup.STALE]
    replica.now = 2.25
    plane = replica.look_up(N1, N2)[0]
    assert plane.reused == 2
    assert plane.results.tolist() == [Lookup.STALE, Lookup.STALE]
    assert np.isnan(plane.values).all()
    assert plane.absent.all()


def test_a_fully_cached_batch_is_scored_while_the_store_is_unavailable() -> None:
    replica = Replica(wire())
    first = replica.score(N1).values
    replica.store.down, replica.now = True, TTL - 0.25
    with pytest.raises(Unavailable, match="nobody at home"):
        replica.score(N1, N2)
    matrix = replica.score(N1)
    np.testing.assert_array_equal(matrix.values, first)
    assert not matrix.degraded
    replica.now = TTL
    with pytest.raises(Unavailable, match="nobody at home"):
        replica.score(N1)


def test_an_outage_of_the_store_is_never_cached() -> None:
    replica = Replica(wire(), when_unavailable="impute")
    replica.score(N2)
    replica.store.down, replica.now = True, 1.0
    matrix = replica.score(N1, N2)
    assert matrix.degraded
    assert matrix.missing.tolist() == [[True, False], [False, False]]
    replica.store.down, replica.now = False, 3.0
    assert replica.score(N1).values[0, 0] == 100


def test_a_new_entry_replaces_the_oldest() -> None:
    store = Wire({b"plane:%d" % number: hashed(number) for number in range(WAYS + 1)})
    replica = Replica(store)
    for number in range(WAYS + 1):
        replica.now = number / 4
        replica.look_up({"tailnum": str(number)})
    plane = replica.look_up(*({"tailnum": str(number)} for number in range(WAYS + 1)))[0]
    assert store.asked[-1] == [b"plane:0"]
    np.testing.assert_array_equal(plane.values[:, 0], range(WAYS + 1))


def test_a_batch_with_more_keys_than_the_cache_holds_is_still_scored() -> None:
    store = Wire({b"plane:%d" % number: hashed(number) for number in range(5 * WAYS)})
    replica = Replica(store, max_entries=1)
    rows: list[Row] = [{"tailnum": str(number)} for number in range(5 * WAYS)]
    for _ in range(3):
        np.testing.assert_array_equal(replica.score(*rows).values[:, 0], range(5 * WAYS))
    assert [len(keys) for keys in store.asked] == [5 * WAYS, 4 * WAYS, 4 * WAYS]


def test_nearly_all_keys_are_cached_when_they_half_fill_the_cache() -> None:
    keys = 128
    rows: list[Row] = [{"tailnum": str(number)} for number in range(keys)]
    replica = Replica(wire(), max_entries=2 * keys)
    replica.look_up(*rows)
    reused = replica.look_up(*rows)[0].reused
    assert reused is not None
    assert reused > 0.8 * keys


@pytest.mark.parametrize("longer", [0, 1])
def test_a_key_that_is_too_long_is_not_cached(longer: int) -> None:
    row: Row = {"tailnum": "N" * (KEY_ROOM - len("plane:") + longer)}
    replica = Replica(wire())
    for _ in range(2):
        replica.look_up(row)
    assert len(replica.store.asked) == 1 + longer


def test_keys_are_compared_by_their_bytes_and_not_only_by_their_hash() -> None:
    replica = Replica(wire())
    replica.look_up(N1)
    assert replica.asking.lookups
    cache = replica.asking.lookups._cache
    assert cache is not None
    texts = cache._shelves[0]._lines[2].reshape(WAYS, -1)
    texts[:, -KEY_ROOM:] = ord("N")
    replica.look_up(N1)
    assert replica.store.asked[1] == [b"plane:N1"]


def test_a_store_that_is_idle_because_of_the_cache_is_pinged() -> None:
    replica = Replica(wire())
    replica.look_up(N1)
    replica.now = PING_SECONDS - 0.25
    replica.look_up(N1)  # asks anew: its time is over
    replica.now = PING_SECONDS + 2
    replica.look_up(N1)
    assert replica.asking.ping_if_idle() is None
    replica.now = 2 * PING_SECONDS - 0.25
    assert replica.asking.ping_if_idle() == ""


PLANES = [*(f"N{number}" for number in range(12)), "N" * KEY_ROOM]
ROUTES = ["JFK", "LGA", "EWR"]
NUMBERS = st.sampled_from([b"1.5", b"-0", b"nan", b"inf", b"many", b" 7 ", b"0.1"])
CHANGED = st.sampled_from([b"%f" % (START + shift) for shift in (-61, -58, -56, 0)] + [b"nan", b"yesterday"])
HASHES = st.fixed_dictionaries({}, optional={"seats": NUMBERS, "engines": NUMBERS, "at": CHANGED})
ROWS = st.lists(
    st.fixed_dictionaries(
        {"tailnum": st.sampled_from([*PLANES, None]), "origin": st.sampled_from([*ROUTES, None])}
    ).map(dict[str, object]),
    max_size=16,
)


class AnyStream(RuleBasedStateMachine):
    """Batches, outages and changes in Redis: each prediction uses a look-up that is at most a TTL old."""

    @initialize(entries=st.sampled_from([1, 20, 1000]), policy=st.sampled_from(["wait", "impute"]))
    def begin(self, entries: int, policy: str) -> None:
        self.data: dict[bytes, Value] = {}
        self.seen: dict[bytes, Value] = {}  # what Redis held of each key when it was last asked for
        self.times: dict[bytes, float] = {}  # and when that was
        self.cached = Replica(Wire(self.data), policy, entries)
        self.oracle = Replica(Wire(self.seen), policy, None)

    @rule(plane=st.sampled_from(PLANES), value=HASHES | st.just(b"text") | st.none())
    def change_plane(self, plane: str, value: Value) -> None:
        self.data[f"plane:{plane}".encode()] = value

    @rule(route=st.sampled_from(ROUTES), value=st.binary(min_size=7, max_size=8) | HASHES | st.none())
    def change_route(self, route: str, value: Value) -> None:
        self.data[f"route:{route}".encode()] = value

    @rule(quarters=st.integers(1, 9))
    def wait(self, quarters: int) -> None:
        self.cached.now += quarters / 4
        self.oracle.now = self.cached.now

    @rule()
    def fail_or_mend(self) -> None:
        self.cached.store.down = not self.cached.store.down

    @precondition(lambda self: self.cached.store.down)
    @rule(rows=ROWS)
    def score_without(self, rows: list[Row]) -> None:
        """Cached keys have their old values; all others wait, or are degraded."""
        before = len(self.cached.store.asked)
        try:
            found = self.cached.look_up(*rows)
        except Unavailable:
            assert len(self.cached.store.asked) == before + 1
            return
        oracle = self.oracle.look_up(*rows)
        for mine, other in zip(found, oracle, strict=True):
            known = mine.results != Lookup.UNAVAILABLE
            assert mine.values[known].tobytes() == other.values[known].tobytes()
            assert mine.results[known].tolist() == other.results[known].tolist()
            self.assert_fresh([key for key, there in zip(mine.keys, known, strict=True) if there])

    @precondition(lambda self: not self.cached.store.down)
    @rule(rows=ROWS)
    def score(self, rows: list[Row]) -> None:
        before = len(self.cached.store.asked)
        self.cached.now += 1.0  # past the time in which a store that failed is left alone
        self.oracle.now = self.cached.now
        matrix = self.cached.score(*rows)
        asked = self.cached.store.asked[before:]
        assert len(asked) <= 1
        for key in chain(*asked):
            self.seen[key], self.times[key] = self.data.get(key), self.cached.now
        expected = self.oracle.score(*rows)
        assert matrix.values.tobytes() == expected.values.tobytes()
        assert matrix.missing.tolist() == expected.missing.tolist()
        assert matrix.lookups.tolist() == expected.lookups.tolist()
        self.assert_fresh([key for _, keys in self.cached.asking.features.keys(events(rows)) for key in keys])

    def assert_fresh(self, keys: list[bytes]) -> None:
        assert all(self.cached.now - self.times[key] < TTL for key in keys)


TestAnyStream = AnyStream.TestCase
TestAnyStream.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
