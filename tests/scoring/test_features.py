"""Batches whose features are missing, stale or unavailable."""

import math
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from scorer.batch import NO_SLOT, Lookup, Matrix, Reason
from scorer.errors import Misconfigured, Unavailable
from scorer.plan import Plan
from scorer.serving.serving import Serving
from scorer.settings import FeatureSettings, Settings
from scorer.store.fallback import COOL_DOWN_SECONDS
from scorer.store.lookups import PING_SECONDS
from tests.scoring.batches import Asking, Row, Table, events

PLAN = """
entities:
  plane: {key: "plane:{tailnum}", layout: hash, fields: [seats], max_age: 60, updated: at}
  route: {key: "route:{origin}", layout: packed, fields: [mean]}
columns:
  - {name: seats, entity: plane, field: seats, default: 5}
  - {name: mean, entity: route, field: mean}
"""
PLANE_NEEDED = PLAN.replace("updated: at", "updated: at, when_missing: dead-letter")
ROUTE_SPARED = PLAN.replace("[mean]", "[mean], when_missing: impute")
ROWS: list[Row | None] = [
    {"tailnum": "N1", "origin": "JFK"},
    {"tailnum": "N2", "origin": "JFK"},
    None,
    {"tailnum": None, "origin": "EWR"},
    {"tailnum": "N3", "origin": "EWR"},
    {"tailnum": "N4", "origin": "LGA"},
    {"tailnum": "N1", "origin": "LGA"},
]


def table() -> Table:
    return Table(
        {
            "plane": {b"plane:N1": {"seats": 100.0}, b"plane:N2": Lookup.STALE, b"plane:N4": {"seats": 200.0}},
            "route": {b"route:JFK": {"mean": 1.5}, b"route:EWR": Lookup.INVALID, b"route:LGA": {"mean": math.nan}},
        }
    )


def features(
    store: Table | None,
    when_missing: str = "impute",
    when_unavailable: str = "wait",
    plan: str = PLAN,
    seconds: list[float] | None = None,
) -> Asking:
    now = [0.0] if seconds is None else seconds
    parsed = Plan.parse(plan, "plan.yaml")
    return Asking(parsed, store, when_missing, when_unavailable, monotonic=lambda: now[0])


def passed(through: Asking, rows: Sequence[Row | None] = ROWS) -> Matrix:
    return through.assemble(events(rows))


def counts(**entities: dict[Lookup, int]) -> list[list[int]]:
    return [[of_entity.get(lookup, 0) for lookup in Lookup] for of_entity in entities.values()]


def test_each_key_is_requested_once_and_all_in_one_round_trip() -> None:
    store = table()
    asking = features(store)
    found = asking.look_up(events(ROWS))
    assert store.asked == [
        {
            "plane": [b"plane:N1", b"plane:N2", b"plane:N3", b"plane:N4"],
            "route": [b"route:JFK", b"route:EWR", b"route:LGA"],
        }
    ]
    assert store.times == [1e9]
    assert [each.entity for each in found] == ["plane", "route"]
    assert found[0].slots.tolist() == [0, 1, NO_SLOT, NO_SLOT, 2, 3, 0]
    assert list(found[0].keys) == store.asked[0]["plane"]
    assert found[0].results.tolist() == [Lookup.HIT, Lookup.STALE, Lookup.MISSING, Lookup.HIT]


def test_missing_entities_are_imputed_named_and_counted() -> None:
    matrix = passed(features(table()))
    nan = np.nan
    expected = [[100, 1.5], [5, 1.5], [nan, nan], [5, nan], [5, nan], [200, nan], [100, nan]]
    np.testing.assert_array_equal(matrix.values, np.array(expected, np.float32))
    assert matrix.missing.tolist() == [
        [False, False],
        [True, False],
        [False, False],
        [True, True],
        [True, True],
        [False, False],
        [False, False],
    ]
    assert matrix.lookups.tolist() == counts(
        plane={Lookup.HIT: 3, Lookup.STALE: 1, Lookup.MISSING: 2}, route={Lookup.HIT: 4, Lookup.INVALID: 2}
    )
    assert not matrix.rejected
    assert not matrix.degraded


@pytest.mark.parametrize(("plan", "when_missing"), [(PLANE_NEEDED, "impute"), (ROUTE_SPARED, "dead-letter")])
def test_a_row_without_a_required_entity_is_rejected(plan: str, when_missing: str) -> None:
    matrix = passed(features(table(), plan=plan, when_missing=when_missing))
    assert {each.row: each.detail for each in matrix.rejected} == {
        1: "entity 'plane' is stale: its features are older than `max_age` at key 'plane:N2'",
        3: "entity 'plane' is missing: a field in its key 'plane:{tailnum}' is null",
        4: "entity 'plane' is missing: no features in Redis at key 'plane:N3'",
    }
    assert {each.reason for each in matrix.rejected} == {Reason.NO_FEATURES}
    assert np.isnan(matrix.values[[1, 2, 3, 4]]).all()
    np.testing.assert_array_equal(matrix.values[[0, 5]], [[100, 1.5], [200, np.nan]])
    assert matrix.lookups.sum(1).tolist() == [6, 6]


def test_a_rejected_row_lists_all_missing_entities_and_is_rejected_once() -> None:
    matrix = passed(features(table(), when_missing="dead-letter"))
    assert [each.row for each in matrix.rejected] == [1, 3, 4]
    assert matrix.rejected[2].detail == (
        "entity 'plane' is missing: no features in Redis at key 'plane:N3'; "
        "entity 'route' is invalid: the value in Redis does not match layout packed at key 'route:EWR'"
    )


def test_a_feast_key_is_shown_in_readable_form() -> None:
    plan = """
entities:
  plane:
    layout: feast
    project: flights
    key: {tailnum: string, card: {type: int32, event: card.number}}
    fields: [stats:seats]
columns:
  - {name: seats, entity: plane, field: stats:seats}
"""
    rows: list[Row | None] = [
        {"tailnum": "a,\x00", "card.number": -7},
        {"tailnum": "N1", "card.number": 1 << 31},
        {"tailnum": None, "card.number": 1},
    ]
    matrix = passed(features(Table({"plane": {}}), when_missing="dead-letter", plan=plan), rows)
    null = "a field in its key 'card={card.number}, tailnum={tailnum} of project flights' is null, or beyond 32 bits"
    assert {each.row: each.detail for each in matrix.rejected} == {
        0: "entity 'plane' is missing: no features in Redis at key 'card=-7, tailnum=a\\,\x00'",
        1: f"entity 'plane' is missing: {null}",
        2: f"entity 'plane' is missing: {null}",
    }


def test_rows_that_are_already_rejected_are_not_looked_up() -> None:
    store = table()
    matrix = passed(features(store, when_missing="dead-letter", when_unavailable="dead-letter"), [None, None])
    assert store.asked == []
    assert not matrix.rejected
    assert matrix.lookups.tolist() == counts(plane={}, route={})


def test_a_batch_without_keys_needs_no_round_trip() -> None:
    store = table()
    store.down = True
    plan = Plan.parse(
        "entities: {plane: {key: 'plane:{tailnum}', layout: hash, fields: [seats]}}\n"
        "columns: [{name: a, entity: plane, field: seats, default: 3}]",
        "plan.yaml",
    )
    matrix = passed(Asking(plan, store), [{"tailnum": None}])
    assert matrix.values.tolist() == [[3.0]]
    assert matrix.missing.tolist() == [[True]]
    assert matrix.lookups.tolist() == counts(plane={Lookup.MISSING: 1})
    assert not matrix.degraded


def test_wait_raises_the_outage_and_retries_at_once() -> None:
    store = table()
    waiting = features(store)
    store.down = True
    for _ in range(3):
        with pytest.raises(Unavailable, match="nobody at home"):
            waiting.look_up(events(ROWS))
    store.down = False
    assert not passed(waiting).degraded
    assert len(store.asked) == 4


def test_impute_scores_without_features_regardless_of_when_missing() -> None:
    store = table()
    store.down = True
    rows: list[Row | None] = [{"tailnum": "N1", "origin": "JFK"}, None, {"tailnum": "N2", "origin": "LGA"}]
    matrix = passed(features(store, when_missing="dead-letter", when_unavailable="impute"), rows)
    assert matrix.degraded
    assert not matrix.rejected
    np.testing.assert_array_equal(matrix.values, [[5, np.nan], [np.nan, np.nan], [5, np.nan]])
    assert matrix.missing.tolist() == [[True, True], [False, False], [True, True]]
    assert matrix.lookups.tolist() == counts(plane={Lookup.UNAVAILABLE: 2}, route={Lookup.UNAVAILABLE: 2})


def test_a_null_in_a_key_is_missing_even_while_the_store_is_down() -> None:
    store = table()
    store.down = True
    matrix = passed(features(store, plan=PLANE_NEEDED, when_unavailable="impute"), [{"tailnum": None, "origin": "JFK"}])
    assert [each.row for each in matrix.rejected] == [0]
    assert matrix.lookups.tolist() == counts(plane={Lookup.MISSING: 1}, route={Lookup.UNAVAILABLE: 1})


def test_dead_letter_rejects_every_good_row() -> None:
    store = table()
    store.down = True
    matrix = passed(features(store, when_unavailable="dead-letter"))
    assert [each.row for each in matrix.rejected] == [0, 1, 3, 4, 5, 6]
    assert {each.reason for each in matrix.rejected} == {Reason.NO_FEATURES}
    assert matrix.rejected[0].detail == (
        "entity 'plane' is unavailable: Redis did not answer for key 'plane:N1'; "
        "entity 'route' is unavailable: Redis did not answer for key 'route:JFK'"
    )
    assert np.isnan(matrix.values).all()


@pytest.mark.parametrize("when_unavailable", ["impute", "dead-letter"])
def test_a_failed_store_is_not_used_until_the_cool_down_ends(when_unavailable: str) -> None:
    store, seconds = table(), [100.0]
    going_on = features(store, when_unavailable=when_unavailable, seconds=seconds)
    store.down = True
    for _ in range(5):
        assert passed(going_on).degraded
    assert len(store.asked) == 1
    seconds[0] += COOL_DOWN_SECONDS
    assert passed(going_on).degraded
    assert len(store.asked) == 2
    store.down = False
    assert passed(going_on).degraded
    seconds[0] += COOL_DOWN_SECONDS
    assert not passed(going_on).degraded
    assert not passed(going_on).degraded
    assert len(store.asked) == 4


@pytest.mark.parametrize("policy", ["impute", "dead-letter"])
def test_the_reason_of_a_fallback_is_known_while_it_lasts(policy: str) -> None:
    store, seconds = table(), [0.0]
    falling_back = features(store, when_unavailable=policy, seconds=seconds)
    lookups, reasons = falling_back.lookups, list[str]()
    assert lookups
    for down in (True, True, False, False, True):
        store.down = down
        passed(falling_back)
        reasons.append(lookups.fallback_reason)
        seconds[0] += COOL_DOWN_SECONDS
    assert reasons == ["nobody at home", "nobody at home", "", "", "nobody at home"]
    store.down = False
    seconds[0] += PING_SECONDS
    assert lookups.ping_if_idle() == ""
    assert lookups.fallback_reason == ""


def test_there_is_no_fallback_under_wait() -> None:
    store = table()
    waiting = features(store, when_unavailable="wait")
    store.down = True
    with pytest.raises(Unavailable, match="nobody at home"):
        passed(waiting)
    assert waiting.lookups
    assert waiting.lookups.fallback_reason == ""


def test_entities_need_a_store() -> None:
    with pytest.raises(Misconfigured, match="features: missing, and the plan has entities: plane, route"):
        features(None)


def test_a_plan_without_entities_needs_no_store() -> None:
    plan = Plan.parse("columns: [{name: a, event: fare}]", "plan.yaml")
    matrix = passed(Asking(plan, None, "dead-letter", "dead-letter"), [{"fare": 2.0}])
    assert matrix.values.tolist() == [[2.0]]
    assert matrix.missing.shape == (1, 0)
    assert matrix.lookups.shape == (0, len(Lookup))
    assert not matrix.degraded


@pytest.mark.parametrize("policy", ["wait", "impute", "dead-letter"])
def test_an_idle_store_is_pinged_periodically(policy: str) -> None:
    store, now = table(), [0.0]
    through = features(store, when_unavailable=policy, seconds=now)
    assert through.ping_if_idle() == ""
    store.down = True
    now[0] = PING_SECONDS - 0.1
    assert through.ping_if_idle() is None
    now[0] = PING_SECONDS
    assert through.ping_if_idle() == "nobody at home"
    store.down, now[0] = False, 2 * PING_SECONDS
    assert through.ping_if_idle() == ""


def test_a_store_that_batches_use_is_not_pinged() -> None:
    store, now = table(), [0.0]
    through = features(store, seconds=now)
    passed(through)
    now[0] = PING_SECONDS - 0.1
    assert through.ping_if_idle() is None
    passed(through, [None])  # which asks for nothing
    now[0] = PING_SECONDS
    assert through.ping_if_idle() == ""


def test_a_plan_without_entities_uses_no_store() -> None:
    without = Plan.parse("columns: [{name: distance, event: distance}]", "plan.yaml")
    for policy in (FeatureSettings(url="redis://nobody:1"), None):
        settings = cast("Settings", SimpleNamespace(features=policy))
        none = cast("Any", None)
        assert Serving(settings, none, none, without, none).lookups(cached=True) is None
