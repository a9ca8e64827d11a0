from dataclasses import replace

import numpy as np
import pytest

from scorer.demo import proof
from scorer.demo.proof import Expected, Seen, compare

SCORES = np.array([0.1, 0.2, 0.3], np.float32).astype(np.float64)
EXPECTED = Expected(
    ids=["a", "b", "bad", "c"],
    scores={"1": np.array([SCORES[0], SCORES[1], np.nan, SCORES[2]]), "2": np.array([0.5, 0.5, np.nan, 0.5])},
    missing=np.array([0, 1, 0, 0], np.uint8),
    reasons={2: "truncated"},
)
POSITIONS = np.array([[0, 0], [1, 0], [0, 1], [1, 1]])
EVENTS = np.array([0, 1, 3])
ONE = ["1"] * 3
RIGHT = Seen(EVENTS, ONE, SCORES, np.array([0, 1, 0], np.uint8), POSITIONS[EVENTS], [(2, "truncated", True)])


def only(rows: list[int]) -> Seen:
    """Predictions of RIGHT, by their places, as often as they are named."""
    right = RIGHT
    ones = [right.versions[row] for row in rows]
    return Seen(right.numbers[rows], ones, right.scores[rows], right.missing[rows], right.sources[rows], right.rejected)


def test_correct_outcomes_pass() -> None:
    verdict = compare(EXPECTED, POSITIONS, RIGHT)
    assert verdict.passed
    assert (verdict.events, verdict.predictions, verdict.dead_letters) == (3, 3, 1)
    assert (verdict.lost, verdict.duplicates, verdict.wrong) == (0, 0, 0)


def test_a_lost_event_is_lost() -> None:
    verdict = compare(EXPECTED, POSITIONS, only([0, 2]))
    assert not verdict.passed
    assert (verdict.events, verdict.predictions, verdict.lost, verdict.wrong) == (3, 2, 1, 0)


def test_a_bad_record_without_a_dead_letter_is_lost() -> None:
    assert compare(EXPECTED, POSITIONS, replace(RIGHT, rejected=[])).lost == 1


def test_a_duplicate_is_counted_but_not_a_fault() -> None:
    verdict = compare(EXPECTED, POSITIONS, only([0, 1, 1, 2, 1]))
    assert verdict.passed
    assert (verdict.predictions, verdict.duplicates) == (5, 2)


def test_a_score_that_differs_in_its_last_bit_is_wrong() -> None:
    scores = RIGHT.scores.copy()
    scores[1] = np.nextafter(np.float32(scores[1]), np.float32(1))
    verdict = compare(EXPECTED, POSITIONS, replace(RIGHT, scores=scores))
    assert not verdict.passed
    assert verdict.wrong == 1
    assert verdict.examples == ("b has another score than booster.predict",)


def test_a_duplicate_with_a_wrong_score_is_wrong() -> None:
    twice = only([0, 1, 2, 2])
    scores = twice.scores.copy()
    scores[3] = np.nan
    assert compare(EXPECTED, POSITIONS, replace(twice, scores=scores)).wrong == 1


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"missing": np.zeros(3, np.uint8)}, "b names other missing entities"),
        ({"sources": POSITIONS[[0, 1, 2]]}, "c names another source record"),
        ({"versions": ["1", "1", "3"]}, "c names another version"),
        ({"versions": ["1", "2", "1"]}, "b has another score than booster.predict"),
        ({"numbers": np.array([0, 1, 2])}, "bad is for no event that was sent"),
        ({"numbers": np.array([0, 1, -1])}, "a prediction is for no event that was sent"),
        ({"rejected": [(2, "bad-value", True)]}, "bad is a dead letter for bad-value, expected truncated"),
        ({"rejected": [(2, "truncated", False)]}, "the dead letter of bad does not carry its bytes"),
    ],
)
def test_predictions_and_dead_letters_are_compared_with_the_sent_records(change: dict[str, object], fault: str) -> None:
    verdict = compare(EXPECTED, POSITIONS, replace(RIGHT, **change))  # type: ignore[arg-type]
    assert not verdict.passed
    assert verdict.examples == (fault,)


def test_an_event_that_is_a_dead_letter_is_lost_and_wrong() -> None:
    verdict = compare(EXPECTED, POSITIONS, replace(only([0, 1]), rejected=[*RIGHT.rejected, (3, "bad-value", True)]))
    assert (verdict.lost, verdict.wrong) == (1, 1)
    assert verdict.examples == ("c is a dead letter for bad-value, expected a prediction",)


def test_outcomes_are_expected_only_for_sent_records() -> None:
    verdict = compare(EXPECTED, POSITIONS[:2], replace(only([0, 1]), rejected=[]))
    assert verdict.passed
    assert verdict.events == 2


def test_auc_is_the_share_of_pairs_in_the_right_order() -> None:
    late = np.array([1.0, 0.0, 1.0, 0.0, np.nan, 0.0])
    scores = np.array([0.9, 0.1, 0.4, 0.4, 0.8, 0.6])
    pairs = [(a > b) + (a == b) / 2 for a in scores[late == 1] for b in scores[late == 0]]
    assert proof.auc(late, scores) == pytest.approx(np.mean(pairs))
    assert np.isnan(proof.auc(late[:1], scores[:1]))
