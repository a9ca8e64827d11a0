"""Measures equal their definitions, their sums add up, and scikit-learn agrees."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from scorer.labels.cells import Cell, Measure, cell_of
from scorer.labels.figures import Estimate, Estimates, auc, difference, figures, mean, proportion
from scorer.labels.pairs import Pairs
from scorer.labels.task import Task

RECORDED = json.loads((Path(__file__).parent / "sklearn.json").read_text())
BINARY = Measure(Task.BINARY, probabilities=True, threshold=0.5)
CLASSES = Measure(Task.CLASSES, probabilities=False, threshold=0.5)
NUMBER = Measure(Task.NUMBER, probabilities=False, threshold=0.5)

Scores = NDArray[np.float32]
Labels = NDArray[np.float64]

FEW = st.sampled_from([0.0, -0.0, 0.125, 0.25, 0.5, 0.7, 0.999, 1.0])  # so that there are ties


@st.composite
def binary(draw: st.DrawFn) -> tuple[Scores, Labels]:
    size = draw(st.integers(1, 60))
    scores = draw(arrays.arrays(np.float32, size, elements=st.one_of(FEW, st.floats(0, 1, width=32)).map(np.float32)))
    return scores, draw(arrays.arrays(np.float64, size, elements=st.sampled_from([0.0, 1.0])))


def measured(measure: Measure, scores: Scores, labels: Labels) -> Estimates:
    return figures(measure, cell_of(measure, scores, labels, np.ones(len(scores), np.bool_)))


def by_pairs(scores: Scores, labels: Labels) -> tuple[float, float]:
    """The area under the curve and DeLong's variance, by comparing each positive with each negative."""
    positive, negative = scores[labels == 1].astype(np.float64), scores[labels == 0].astype(np.float64)
    ahead = (positive[:, None] > negative) + 0.5 * (positive[:, None] == negative)
    parts = [ahead.mean(axis=1), ahead.mean(axis=0)]
    variance = sum(part.var(ddof=1) / len(part) if len(part) > 1 else 0.0 for part in parts)
    return float(ahead.mean()), float(variance)


@given(binary())
def test_the_area_under_the_curve_is_that_of_all_pairs_and_ties_count_half(data: tuple[Scores, Labels]) -> None:
    scores, labels = data
    found = auc(Pairs.of(scores, labels == 1))
    if len(set(labels.tolist())) == 1:
        assert found is None
        return
    value, variance = by_pairs(scores, labels)
    assert found is not None
    assert found.value == pytest.approx(value, abs=1e-12)
    assert found.high == pytest.approx(min(1, value + 1.959963984540054 * math.sqrt(variance)), abs=1e-9)
    assert found.low == pytest.approx(max(0, value - 1.959963984540054 * math.sqrt(variance)), abs=1e-9)
    assert found.error == 0


@given(binary(), st.integers(1, 31))
def test_coarse_scores_are_off_by_no_more_than_they_say(data: tuple[Scores, Labels], shift: int) -> None:
    scores, labels = data
    exact, coarse = (auc(Pairs.of(scores, labels == 1).coarser(each)) for each in (0, shift))
    if exact is None or coarse is None:
        assert exact is coarse
        return
    assert abs(exact.value - coarse.value) <= coarse.error + 1e-12


@given(binary())
def test_measures_of_a_binary_model_are_their_definitions(data: tuple[Scores, Labels]) -> None:
    scores, labels = data
    found, wide = measured(BINARY, scores, labels), scores.astype(np.float64)
    assert found["brier"].value == pytest.approx(float(np.mean((wide - labels) ** 2)), abs=1e-12)
    clipped = np.clip(wide, np.finfo(np.float64).eps, 1 - np.finfo(np.float64).eps)
    losses = np.where(labels == 1, -np.log(clipped), -np.log(1 - clipped))
    assert found["log_loss"].value == pytest.approx(float(losses.mean()), abs=1e-12)
    guess, right = wide >= 0.5, labels == 1
    if guess.any():
        assert found["precision"].value == pytest.approx(right[guess].mean(), abs=1e-12)
    else:
        assert "precision" not in found
    if right.any():
        assert found["recall"].value == pytest.approx(guess[right].mean(), abs=1e-12)
    for each in found.values():
        assert math.isnan(each.low) or each.low <= each.value <= each.high


@given(binary(), st.integers(0, 60))
def test_sums_of_parts_are_the_sums_of_the_whole(data: tuple[Scores, Labels], at: int) -> None:
    scores, labels = data
    some = np.ones(len(scores), np.bool_)
    for measure in (BINARY, NUMBER, CLASSES):
        whole = cell_of(measure, scores, labels, some)
        parts = [cell_of(measure, scores[part], labels[part], some[part]) for part in (slice(at), slice(at, None))]
        parts = [Cell.read(json.loads(json.dumps(part.document())), measure) for part in parts]
        for order in (parts, parts[::-1]):
            added = Cell.total(order)
            assert (added.predictions, added.labelled, added.unusable) == (len(scores), len(scores), 0)
            found, expected = figures(measure, added), figures(measure, whole)
            assert found.keys() == expected.keys()
            for name, each in found.items():
                # Of equal losses, the variance is what rounding leaves, and its root is 1e8 times as large.
                assert each == pytest.approx(expected[name], abs=1e-7, nan_ok=True), name


def test_scores_that_are_no_numbers_are_counted_and_left_out() -> None:
    scores, labels = np.array([np.nan, np.inf, 0.25, 0.75], np.float32), np.array([1.0, 0.0, 0.0, 1.0])
    cell = cell_of(BINARY, scores, labels, np.array([True, True, True, False]))
    assert (cell.predictions, cell.labelled, cell.unusable, cell.used) == (4, 3, 2, 1)
    assert figures(BINARY, cell)["brier"].value == 0.0625


@pytest.mark.parametrize("case", RECORDED["binary"], ids=lambda case: str(case["name"]))
def test_a_binary_model_is_measured_as_scikit_learn_does(case: dict[str, object]) -> None:
    found = measured(BINARY, np.array(case["scores"], np.float32), np.array(case["labels"], np.float64))
    values = {name: found[name].value for name in ("auc", "log_loss", "brier", "precision", "recall")}
    assert values == pytest.approx(case["expected"], abs=1e-12)


def test_a_regression_is_measured_as_scikit_learn_does() -> None:
    case = RECORDED["number"]
    found = measured(NUMBER, np.array(case["scores"], np.float32), np.array(case["labels"], np.float64))
    assert {name: found[name].value for name in ("rmse", "mae")} == pytest.approx(case["expected"], abs=1e-12)
    assert found["bias"].value == pytest.approx(np.mean(np.array(case["scores"]) - np.array(case["labels"])), abs=1e-12)


def test_classes_are_measured_as_scikit_learn_does() -> None:
    case = RECORDED["classes"]
    found = measured(CLASSES, np.array(case["scores"], np.float32), np.array(case["labels"], np.float64))
    assert {name: each.value for name, each in found.items()} == pytest.approx(case["expected"], abs=1e-12)


def test_intervals_hold_the_true_value_in_95_of_100_cases() -> None:
    chance, held = np.random.default_rng(7), {"auc": 0, "brier": 0, "recall": 0, "difference": 0}
    truth = math.erf(0.5)  # of two normal distributions whose means are sqrt(2) apart: P(x > y)
    truth = 0.5 + truth / 2
    for _ in range(400):
        estimates = []
        for _ in range(2):
            labels = (chance.random(400) < 0.4).astype(np.float64)
            scores = (chance.normal(size=400) + labels).astype(np.float32)
            found = auc(Pairs.of(scores, labels == 1))
            assert found is not None
            estimates.append(found)
        held["auc"] += estimates[0].low <= truth <= estimates[0].high
        apart = difference(*estimates)
        held["difference"] += apart.low <= 0 <= apart.high
        draws = chance.random(200)
        average = mean(float(draws.sum()), float((draws**2).sum()), 200)
        share = proportion(float((draws < 0.1).sum()), 200)
        assert average is not None
        assert share is not None
        held["brier"] += average.low <= 0.5 <= average.high
        held["recall"] += share.low <= 0.1 <= share.high
    assert all(365 <= count <= 398 for count in held.values()), held


def test_a_difference_without_intervals_has_none() -> None:
    apart = difference(Estimate(0.5), Estimate(0.25, 0.2, 0.3))
    assert apart.value == 0.25
    assert math.isnan(apart.low)
