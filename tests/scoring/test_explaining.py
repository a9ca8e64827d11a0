"""Which predictions are explained, and by which columns."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from scorer.avro import prediction_json
from scorer.batch import NO_COLUMN, NO_SLOT, Explanations
from scorer.plan import Plan
from scorer.scoring import Arm, Features, Scorer, explaining
from scorer.scoring.explaining import Explaining
from scorer.settings import When
from tests.model.boosters import loaded, rows
from tests.scoring.batches import FIELDS, events

NAMES = ("distance", "fare", "day", "b", "c")
PLAN = Plan.parse(
    """
columns:
  - {name: distance, event: distance}
  - {name: fare, event: fare}
  - {name: day, event: day}
  - {name: b, expression: "fare * 2"}
  - {name: c, expression: "distance - fare"}
""",
    "plan.yaml",
)
ROWS = 300
IDS = [f"event-{row}".encode() for row in range(ROWS)]
ROOMY = 1 << 30


def outcome(
    kind: str, when: When, top: int = 2, ids: list[bytes] = IDS
) -> tuple[Explanations | None, NDArray[np.float32]]:
    """Score some rows, of which two are rejected; return their explanations and scores."""
    booster = loaded(kind)
    values = rows(len(ids), seed=11)
    given = [
        {
            "distance": None if np.isnan(each[0]) else float(each[0]),
            "fare": float(np.nan_to_num(each[1])),
            "day": row % 9,
        }
        for row, each in enumerate(values)
    ]
    batch = events([None if row in {1, 5} else each for row, each in enumerate(given)])
    ends = np.cumsum([len(each) for each in ids])
    starts = ends - [len(each) for each in ids]
    batch = replace(batch, data=np.frombuffer(b"".join(ids), np.uint8), id_starts=starts, id_ends=ends)
    explain = Explaining(booster.explainer(ROOMY), NAMES, top, when).explain
    scorer = Scorer(
        Arm("m", "1", "champion", ()), Features(PLAN, FIELDS, None, "impute", "wait"), booster, explain=explain
    )
    found = scorer.score(batch, 0.0)
    return found.predictions.explanations, found.predictions.scores


def explained(explanations: Explanations | None) -> list[int]:
    return [] if explanations is None else np.flatnonzero(explanations.slots != NO_SLOT).tolist()


def test_always_explains_every_prediction_and_no_rejected_row() -> None:
    found, _ = outcome("logistic", When("always"))
    assert explained(found) == [row for row in range(ROWS) if row not in {1, 5}]


@pytest.mark.parametrize("kind", ["logistic", "softprob"])
def test_above_and_below_go_by_the_score_and_by_the_highest_of_several(kind: str) -> None:
    _, scores = outcome(kind, When("always"))
    highest = scores if scores.ndim == 1 else scores.max(axis=1)
    limit = float(highest[7])
    good = np.isin(np.arange(ROWS), [1, 5], invert=True)
    above, below = (explained(outcome(kind, When(rule, limit))[0]) for rule in ("above", "below"))
    assert above == np.flatnonzero(good & (highest > limit)).tolist() != []
    assert below == np.flatnonzero(good & (highest < limit)).tolist() != []


def test_a_batch_that_does_not_ask_computes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = loaded("logistic").explainer(ROOMY)
    monkeypatch.setattr(ours, "contributions", lambda _: pytest.fail("computed"))
    for when in (When("above", 1.0), When("below", 0.0), When("sample", 0.0)):
        found, _ = outcome("logistic", when)
        assert found is None


def test_a_sample_is_of_its_size_and_the_same_wherever_the_events_stand() -> None:
    found = explained(outcome("logistic", When("sample", 0.25))[0])
    drawn = {IDS[row] for row in found}
    assert 40 < len(drawn) < 115
    turned = IDS[::-1]
    again = explained(outcome("logistic", When("sample", 0.25), ids=turned)[0])
    rejected = {IDS[1], IDS[5], turned[1], turned[5]}
    assert {turned[row] for row in again} - rejected == drawn - rejected
    assert len(explained(outcome("logistic", When("sample", 1.0))[0])) == ROWS - 2


@pytest.mark.parametrize("kind", ["logistic", "softprob", "quantiles"])
def test_the_columns_are_those_with_the_largest_contributions(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explaining, "_MOST_CELLS", 40)  # several pieces of a few rows
    seen: list[NDArray[np.float32]] = []
    ours = loaded(kind).explainer(ROOMY)
    compute = ours.contributions
    with monkeypatch.context() as patch:

        def watched(matrix: NDArray[np.float32]) -> NDArray[np.float64]:
            seen.append(matrix)
            return compute(matrix)

        patch.setattr(ours, "contributions", watched)
        found, scores = outcome(kind, When("always"), top=4)
    assert found is not None
    assert len(seen) > 10
    matrix = np.concatenate(seen)
    parts = compute(matrix)
    good = [row for row in range(ROWS) if row not in {1, 5}]
    for line, row in enumerate(good):
        output = int(scores[row].argmax()) if kind == "softprob" else 0
        of_row = parts[line, output, :-1]
        expected = sorted(np.flatnonzero(of_row), key=lambda column: -abs(of_row[column]))[:4]
        columns = found.columns[found.slots[row]]
        assert columns[columns != NO_COLUMN].tolist() == expected
        assert found.contributions[line, : len(expected)].tolist() == of_row[expected].tolist()
        assert found.values[line, : len(expected)].tobytes() == matrix[line, expected].astype(np.float64).tobytes()


def test_columns_that_added_nothing_are_left_out() -> None:
    found, _ = outcome("stumps", When("always"), top=99)
    assert found is not None
    assert found.columns.shape == (ROWS - 2, len(NAMES))
    assert (found.columns == NO_COLUMN).any()
    assert (found.contributions[found.columns == NO_COLUMN] == 0).all()
    assert (found.contributions[found.columns != NO_COLUMN] != 0).all()


def test_documents_have_the_explanation_with_null_for_what_was_missing() -> None:
    booster = loaded("logistic")
    explain = Explaining(booster.explainer(ROOMY), NAMES, 5, When("always")).explain
    scorer = Scorer(
        Arm("m", "1", "champion", ()), Features(PLAN, FIELDS, None, "impute", "wait"), booster, explain=explain
    )
    documents = list(prediction_json(scorer.score(events([{"distance": None, "fare": 1.0, "day": 2}, None]), 0.0)))
    (of_first, of_second) = (document["explanation"] for document in documents)
    assert of_second is None
    assert isinstance(of_first, list)
    values = {each["column"]: each["value"] for each in of_first}
    assert values["distance"] is None
    assert values["fare"] == 1.0


def test_without_explanations_the_field_is_null() -> None:
    scorer = Scorer(Arm("m", "1", "champion", ()), Features(PLAN, FIELDS, None, "impute", "wait"), loaded("logistic"))
    found = scorer.score(events([{"distance": 1.0, "fare": 1.0, "day": 2}]), 0.0)
    assert found.predictions.explanations is None
    assert [document["explanation"] for document in prediction_json(found)] == [None]
