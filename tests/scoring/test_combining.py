"""The scores of an ensemble: plain arithmetic that anybody can repeat, and one value for an event in any batch."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from scorer.scoring.combining import Mean, RankMean, Ranks

SCORES = arrays(np.float32, 9, elements=st.floats(-100, 100, width=32))
REFERENCE = st.lists(st.floats(-50, 50, width=32), min_size=2, max_size=60).filter(lambda found: len(set(found)) > 1)


@given(st.lists(st.tuples(SCORES, st.floats(0.01, 10)), min_size=1, max_size=4))
def test_a_mean_is_that_of_plain_numpy_bit_for_bit(parts: list[tuple[np.ndarray, float]]) -> None:
    scores, weights = [part for part, _ in parts], [weight for _, weight in parts]
    total, whole = np.zeros(9), 0.0
    for part, weight in parts:
        total, whole = total + np.float64(weight) * part.astype(np.float64), whole + weight
    assert Mean(weights).combine(scores).tobytes() == (total / whole).astype(np.float32).tobytes()


def test_equal_weights_are_a_plain_mean_and_several_outputs_are_combined_one_by_one() -> None:
    scores = [np.array([[0.25, 0.75], [1.0, 0.0]], np.float32), np.array([[0.75, 0.25], [0.0, 0.5]], np.float32)]
    assert Mean([1.0, 1.0]).combine(scores).tolist() == [[0.5, 0.5], [0.5, 0.25]]


@given(REFERENCE, SCORES)
def test_a_rank_is_the_share_of_lower_scores_and_half_of_the_equal_ones(
    reference: list[float], scores: np.ndarray
) -> None:
    ranks = Ranks(reference)
    for score in set(reference):
        lower, equal = sum(each < score for each in reference), sum(each == score for each in reference)
        (found,) = ranks.of(np.array([score], np.float32))
        assert found == pytest.approx((lower + equal / 2) / len(reference), rel=1e-12)
    found = ranks.of(np.sort(scores))
    assert (np.diff(found) >= 0).all(), "a higher score has a higher rank"
    assert ((found >= 0) & (found <= 1)).all()


def test_scores_beyond_the_reference_keep_their_order() -> None:
    ranks = Ranks([0.2, 0.4, 0.6])
    found = ranks.of(np.array([-np.inf, 0.0, 0.1, 0.2, 0.3, 0.6, 0.7, 0.99, np.inf], np.float32)).tolist()
    assert found == sorted(set(found))
    assert (found[0], found[-1]) == (0, 1)
    assert np.isnan(ranks.of(np.array([np.nan], np.float32))).all()


@given(REFERENCE, REFERENCE, SCORES, SCORES)
def test_an_event_has_one_value_whatever_batch_it_is_in(
    first: list[float], second: list[float], one: np.ndarray, two: np.ndarray
) -> None:
    ensemble = RankMean([0.7, 0.3], [first, second])
    whole = ensemble.combine([one, two])
    alone = [ensemble.combine([one[at : at + 1], two[at : at + 1]]) for at in range(9)]
    assert whole.tobytes() == np.concatenate(alone).tobytes()


@given(REFERENCE, REFERENCE, SCORES, SCORES)
def test_a_rank_mean_is_that_of_plain_numpy_bit_for_bit(
    first: list[float], second: list[float], one: np.ndarray, two: np.ndarray
) -> None:
    ranks = [Ranks(first).of(one), Ranks(second).of(two)]
    expected = ((np.float64(0.7) * ranks[0] + np.float64(0.3) * ranks[1]) / (0.7 + 0.3)).astype(np.float32)
    assert RankMean([0.7, 0.3], [first, second]).combine([one, two]).tobytes() == expected.tobytes()
