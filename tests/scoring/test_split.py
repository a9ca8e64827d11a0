"""Several arms in one batch: each row has the score, the rejections and the look-ups of its own version."""

from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

import numpy as np
import pytest
import xgboost
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from scorer.batch import NO_COLUMN, NO_SLOT, Events, Lookup, Outcome, Predictions, Reason, Rejected, Scores
from scorer.errors import Fatal
from scorer.model import Booster
from scorer.model.xgboost.booster import XGBooster
from scorer.plan import Plan
from scorer.scoring import Arm, Blend, Features, Member, Scorer, SplitScorer, union_of
from scorer.scoring.combining import Mean
from scorer.scoring.explaining import Explaining
from scorer.settings import When
from tests.scoring.batches import FIELDS, Row, Table, events

PLANE = 'plane: {key: "plane:{tailnum}", layout: hash, fields: [seats]'
PLANS = [
    f"entities: {{{PLANE}}}}}\ncolumns: [{{name: fare, event: fare}}, {{name: seats, entity: plane, field: seats}}]",
    f"""
entities:
  {PLANE}, when_missing: dead-letter}}
  airport: {{key: "airport:{{origin}}", layout: hash, fields: [runways]}}
columns: [{{name: runways, entity: airport, field: runways}}, {{name: seats, entity: plane, field: seats}}]
""",
    "columns: [{name: distance, event: distance}, {name: fare, event: fare}]",
]


def booster(seed: int, names: tuple[str, ...]) -> Booster:
    rng = np.random.default_rng(seed)
    values = rng.random((300, len(names)), np.float32) * 10
    data = xgboost.DMatrix(values, (values @ rng.random(len(names))) > 5, feature_names=list(names))
    return XGBooster(xgboost.train({"objective": "binary:logistic", "nthread": 1, "seed": seed}, data, 4))


PLANS.append(PLANS[1])  # a version of the same plan shares the matrix
READ = [Plan.parse(text, "plan.yaml") for text in PLANS]
BOOSTERS = [booster(seed, plan.names) for seed, plan in enumerate(READ)]
ARMS = [
    Arm("delays", str(number + 1), "canary" if number else "champion", tuple(each.name for each in plan.entities))
    for number, plan in enumerate(READ)
]
# Of the first version every prediction is explained, of the others those with higher scores, by more columns.
EXPLAIN = [
    Explaining(each.explainer(1 << 30), plan.names, number + 1, When("above", 0.3 * number)).explain
    for number, (each, plan) in enumerate(zip(BOOSTERS, READ, strict=True))
]


def table() -> Table:
    planes = {b"plane:N%d" % number: {"seats": float(number)} for number in range(5)}
    return Table({"plane": planes, "airport": {b"airport:JFK": {"runways": 4.0}}})


def members(**broken: Any) -> list[Member]:
    def unused(*_: object) -> list[object]:
        raise AssertionError

    made = [
        Member(arm, plan, Features(plan, FIELDS, unused, "impute", "wait"), booster, text.encode(), explain)  # type: ignore[arg-type]  # never called
        for arm, plan, booster, text, explain in zip(ARMS, READ, BOOSTERS, PLANS, EXPLAIN, strict=True)
    ]
    made[1:3] = [member._replace(**broken) for member in made[1:3]]  # versions 2 and 3, each with its own plan
    return made


def split(
    assigned: list[int],
    store: Table,
    arms: Sequence[Member | Blend] | None = None,
    clock: Callable[[], float] | None = None,
) -> SplitScorer:
    union = Features(Plan("all", union_of(READ), ()), FIELDS, store.fetch, "impute", "wait")

    def assign(_: Events) -> NDArray[np.uint8]:
        return np.array(assigned, np.uint8)

    return SplitScorer(members() if arms is None else arms, assign, union, clock=clock)


def alone(number: int, batch: Events, store: Table) -> Outcome:
    features = Features(READ[number], FIELDS, store.fetch, "impute", "wait")
    return Scorer(ARMS[number], features, BOOSTERS[number], explain=EXPLAIN[number]).score(batch, 1.5)


def explanation(found: Predictions, row: int) -> list[tuple[str, float, float]] | None:
    """The columns of a row's explanation with their values and contributions."""
    explained = found.explanations
    if explained is None or (line := explained.slots[row]) == NO_SLOT:
        return None
    columns, values = explained.columns[line], np.nan_to_num(explained.values[line], nan=-1)
    lines = zip(columns, values, explained.contributions[line], strict=True)
    return [(explained.names[column], value, part) for column, value, part in lines if column != NO_COLUMN]


ROWS = st.one_of(
    st.none(),
    st.fixed_dictionaries(
        {"origin": st.sampled_from(["JFK", "EWR"]), "fare": st.sampled_from([1.0, 5.5, float("inf")])},
        optional={"tailnum": st.sampled_from(["N1", "N2", "N9"]), "distance": st.floats(0, 10, width=32)},
    ),
)


@given(st.lists(st.tuples(ROWS, st.integers(0, 3)), max_size=12))
def test_each_row_is_scored_as_its_version_alone_would(drawn: list[tuple[Row | None, int]]) -> None:
    rows, assigned = [row for row, _ in drawn], [arm for _, arm in drawn]
    batch, store = events(rows), table()
    outcome = split(assigned, store).score(batch, 1.5)
    assert len(store.asked) <= 1, "one look-up for all arms"
    each_alone = [alone(number, batch, table()) for number in range(4)]
    found = outcome.predictions
    rejected = {each.row: each for each in outcome.rejected}
    assert sorted([*found.rows.tolist(), *rejected]) == list(range(len(rows)))
    for row, (values, arm) in enumerate(drawn):
        arm = 0 if values is None else arm  # noqa: PLW2901  what cannot be decoded belongs to the champion
        expected = each_alone[arm]
        assert found.arms[found.arm[row]] == (str(arm + 1), "canary" if arm else "champion")
        refusals = [each for each in expected.rejected if each.row == row]
        assert ([rejected[row]] if row in rejected else []) == refusals
        if not refusals:
            assert found.scores[row].tobytes() == expected.predictions.scores[row].tobytes()
            assert explanation(found, row) == explanation(expected.predictions, row)
        missing = {name for name, gone in zip(found.entities, found.missing[row], strict=True) if gone}
        alone_missing = zip(expected.predictions.entities, expected.predictions.missing[row], strict=True)
        assert missing == {name for name, gone in alone_missing if gone}
    good = [(row, arm) for row, (values, arm) in enumerate(drawn) if values is not None]
    plane = found.entities.index("plane")
    assert outcome.matrix.lookups[plane].sum() == sum(arm != 2 for _, arm in good)


@given(st.lists(st.tuples(ROWS, st.integers(0, 3)), max_size=12))
def test_the_matrix_is_what_the_champion_saw_and_rows_of_other_plans_are_foreign(
    drawn: list[tuple[Row | None, int]],
) -> None:
    rows, assigned = [row for row, _ in drawn], [arm for _, arm in drawn]
    batch = events(rows)
    outcome = split(assigned, table()).score(batch, 1.5)
    expected, found = alone(0, batch, table()).matrix.values, outcome.matrix
    foreign = np.zeros(len(rows), np.bool_) if found.foreign is None else found.foreign
    for row in outcome.predictions.rows.tolist():
        assert foreign[row] == (assigned[row] != 0)
        if found.values.shape[1] and not foreign[row]:
            assert found.values[row].tobytes() == expected[row].tobytes()
        elif found.values.shape[1]:
            assert np.isnan(found.values[row]).all()
    if any(values is not None and arm == 0 for values, arm in drawn):
        assert found.values.shape == expected.shape


def test_an_entity_that_versions_define_alike_is_one_and_each_key_is_asked_for_once() -> None:
    store = table()
    rows: list[Row | None] = [{"tailnum": "N1", "origin": "JFK", "fare": 1.0}] * 4
    outcome = split([0, 1, 1, 2], store).score(events(rows), 1.5)
    assert store.asked == [{"plane": [b"plane:N1"], "airport": [b"airport:JFK"]}]
    assert [each.entity for each in outcome.found] == ["plane", "airport"]
    assert outcome.matrix.lookups[:, Lookup.HIT].tolist() == [3, 2]


def test_an_entity_is_not_looked_up_for_rows_of_versions_that_do_not_use_it() -> None:
    store = table()
    rows: list[Row | None] = [{"tailnum": "N1", "origin": "JFK", "fare": 1.0}, {"tailnum": "N2", "origin": "EWR"}]
    split([2, 0], store).score(events(rows), 1.5)
    assert store.asked == [{"plane": [b"plane:N2"], "airport": []}]


@pytest.mark.parametrize("assigned", [[0, 0], [1, 1], [2, 2], [3, 3], [1, 3]])
def test_an_arm_without_rows_is_not_called(assigned: list[int]) -> None:
    rows: list[Row | None] = [{"tailnum": "N1", "origin": "JFK", "fare": 1.0, "distance": 2.0}] * 2
    found = split(assigned, table()).score(events(rows), 1.5).predictions
    assert found.rows.tolist() == [0, 1]
    assert found.arm.tolist() == assigned


class Broken:
    """A part of a version that raises, whatever is called."""

    numbers = np.float32

    def __init__(self, error: Exception) -> None:
        self._error = error

    def score(self, _: object) -> None:
        raise self._error

    def assemble(self, *_: object) -> None:
        raise self._error

    def __call__(self, *_: object) -> None:
        raise self._error


ERRORS = [(ValueError("no"), "ValueError('no')"), (Fatal("it no longer scores"), "it no longer scores")]


@pytest.mark.parametrize("part", ["booster", "features", "explain"])
@pytest.mark.parametrize(("error", "words"), ERRORS)
def test_a_canary_that_raises_rejects_its_own_rows_and_disturbs_no_other(
    part: str, error: Exception, words: str
) -> None:
    rows: list[Row | None] = [{"tailnum": "N1", "origin": "JFK", "fare": 1.0, "distance": 2.0}] * 5
    rows[4] = {"origin": "JFK", "fare": 1.0, "distance": float("inf")}  # version 3 rejects it by itself
    assigned = [0, 1, 2, 3, 2]
    whole = split(assigned, table()).score(events(rows), 1.5).predictions
    outcome = split(assigned, table(), members(**{part: Broken(error)})).score(events(rows), 1.5)
    by_row = {each.row: each for each in outcome.rejected}
    shares_the_plan = [3] if part == "features" else []  # with version 2, so that it has no matrix either
    assert sorted(by_row) == [1, 2, *shares_the_plan, 4]
    assert len(outcome.rejected) == len(by_row), "once each"
    assert {by_row[row].version for row in (2, 4)} == {"3"}
    assert by_row[1] == Rejected(1, Reason.MODEL_ERROR, f"the version cannot score: {words}", "2")
    assert outcome.predictions.rows.tolist() == [row for row in (0, 3) if row not in by_row]
    for row in outcome.predictions.rows.tolist():
        assert outcome.predictions.scores[row] == whole.scores[row]
        assert explanation(outcome.predictions, row) == explanation(whole, row)


def test_a_champion_that_raises_is_an_error() -> None:
    rows: list[Row | None] = [{"tailnum": "N1", "fare": 1.0}]

    class Raises:
        columns, numbers = 2, np.float32

        def score(self, matrix: NDArray[np.float32]) -> Scores:
            if len(matrix):
                raise ValueError("no")
            return Scores(np.empty(0, np.float32))  # asked for the number of scores, before there are rows

    champion, *others = members()
    scorer = split([0], table(), [champion._replace(booster=Raises()), *others])  # type: ignore[arg-type]  # as above
    with pytest.raises(ValueError, match="no"):
        scorer.score(events(rows), 1.5)


def test_each_arm_has_its_own_time_and_that_of_its_plan_by_its_rows() -> None:
    """The clock advances by a second at each look: a plan takes one, and so does each arm."""
    rows: list[Row | None] = [{"tailnum": "N1", "origin": "JFK", "fare": 1.0, "distance": 2.0}] * 4
    ticks = count()
    outcome = split([0, 1, 3, 3], table(), clock=lambda: float(next(ticks))).score(events(rows), 1.5)
    assert outcome.seconds == pytest.approx([2.0, 1 + 1 / 3, 0.0, 1 + 2 / 3])
    assert split([0, 1, 3, 3], table()).score(events(rows), 1.5).seconds == ()


def test_what_cannot_be_decoded_comes_first_among_the_rejected() -> None:
    outcome = split([0, 1, 2], table()).score(events([None, {"fare": 1.0}, None]), 1.5)
    assert [each.row for each in outcome.rejected[: outcome.undecoded]] == [0, 2]


@given(st.lists(st.tuples(ROWS, st.integers(0, 1)), max_size=12))
def test_an_ensemble_gives_each_row_the_mean_of_what_its_versions_give_alone(
    drawn: list[tuple[Row | None, int]],
) -> None:
    """Of four versions the first is a canary too, and the ensemble of all is the champion."""
    rows, assigned = [row for row, _ in drawn], [arm for _, arm in drawn]
    weights = [0.7, 0.1, 0.15, 0.05]
    batch, store = events(rows), table()
    unexplained = tuple(each._replace(explain=None) for each in members())
    ensemble = Blend(Arm("delays", "blend", "champion", ("plane", "airport")), unexplained, Mean(weights).combine)
    outcome = split(assigned, store, [ensemble, members()[0]]).score(batch, 1.5)
    assert len(store.asked) <= 1, "one look-up for all versions"
    each_alone = [alone(number, batch, table()) for number in range(4)]
    found, rejected = outcome.predictions, {each.row: each for each in outcome.rejected}
    assert len(rejected) == len(outcome.rejected), "one reason for each row"
    assert sorted([*found.rows.tolist(), *rejected]) == list(range(len(rows)))
    for row, (values, arm) in enumerate(drawn):
        refusals = [each for one in each_alone for each in one.rejected if each.row == row]
        if values is None or arm == 0:
            assert found.arms[found.arm[row]] == ("blend", "champion")
            assert (row in rejected) == bool(refusals)
            if refusals:
                assert rejected[row].version == "blend"
                assert refusals[0].detail in rejected[row].detail
                continue
            parts = [np.float64(one.predictions.scores[row]) for one in each_alone]
            total = weights[0] * parts[0] + weights[1] * parts[1] + weights[2] * parts[2] + weights[3] * parts[3]
            expected = np.float32(total / (weights[0] + weights[1] + weights[2] + weights[3]))
            assert found.scores[row].tobytes() == expected.tobytes()
            assert explanation(found, row) is None
            gone = {name for name, gone in zip(found.entities, found.missing[row], strict=True) if gone}
            assert gone == {name for one in each_alone for name in missing_of(one.predictions, row)}
        elif row not in rejected:
            assert found.scores[row].tobytes() == each_alone[0].predictions.scores[row].tobytes()
    good = sum(values is not None for values in rows)
    assert outcome.matrix.lookups[found.entities.index("plane")].sum() == good, "a look-up is counted once"


def missing_of(found: Predictions, row: int) -> set[str]:
    return {name for name, gone in zip(found.entities, found.missing[row], strict=True) if gone}


def test_an_ensemble_alone_needs_nobody_to_assign_rows() -> None:
    ensemble = Blend(Arm("delays", "blend", "shadow", ()), tuple(members()[:2]), Mean([1.0, 1.0]).combine)
    union = Features(Plan("all", union_of(READ[:2]), ()), FIELDS, table().fetch, "impute", "wait")
    rows: list[Row | None] = [{"tailnum": "N1", "origin": "JFK", "fare": 1.0}, None]
    outcome = SplitScorer([ensemble], None, union).score(events(rows), 1.5)
    assert outcome.predictions.rows.tolist() == [0]
    assert outcome.predictions.arms == (("blend", "shadow"),)


def test_a_row_that_a_booster_refuses_is_named_with_the_version() -> None:
    class Refuses:
        columns, numbers = 2, np.float32

        def score(self, matrix: NDArray[np.float32]) -> Scores:
            refused = [Rejected(row, Reason.MODEL_ERROR, "no") for row in np.flatnonzero(matrix[:, 0] > 2).tolist()]
            return Scores(np.ones(len(matrix), np.float32), refused)

    one, two = members()[0], members()[2]._replace(booster=Refuses())  # type: ignore[arg-type]  # all that is used of it
    rows: list[Row | None] = [{"distance": 1.0, "fare": 1.0}, {"distance": 3.0, "fare": 1.0}, {"distance": 9.0}]
    ensemble = Blend(Arm("delays", "blend", "canary", ()), (one, two), Mean([1.0, 1.0]).combine)
    union = Features(Plan("all", union_of([READ[0], READ[2]]), ()), FIELDS, table().fetch, "impute", "wait")
    outcome = SplitScorer([one, ensemble], lambda _: np.array([1, 0, 1], np.uint8), union).score(events(rows), 1.5)
    assert [(each.row, each.version, each.detail) for each in outcome.rejected] == [(2, "blend", "version 3: no")]
