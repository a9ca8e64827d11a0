"""The numbers that say how two versions' scores differ, against other ways to compute them."""

import numpy as np
import pytest

from scorer.cli.comparing.shift import LARGEST, Pairs, Shift, correlation, histogram, stability_index

rng = np.random.default_rng(5)


def column(values: object) -> np.ndarray:
    return np.asarray(values, np.float32)


def test_the_index_is_that_of_its_definition() -> None:
    old, new = rng.normal(0, 1, 20_000), rng.normal(0.5, 1, 20_000)
    edges = [-np.inf, *np.quantile(old, np.arange(1, 10) / 10), np.inf]
    shares = [np.histogram(side, edges)[0] / len(side) for side in (old, new)]
    assert stability_index(old, new) == pytest.approx(
        sum((b - a) * np.log(b / a) for a, b in zip(*shares, strict=True))
    )
    assert stability_index(old, old) == 0
    assert stability_index(old, rng.normal(0, 1, 20_000)) < 0.01
    assert stability_index(old, new) > 0.2


@pytest.mark.parametrize("other", [0.1, 0.3])
def test_the_index_notices_that_a_constant_moved(other: float) -> None:
    constant = np.full(100, 0.2)
    assert stability_index(constant, np.full(100, other)) > 5
    assert stability_index(constant, constant) == 0


def test_correlations() -> None:
    old = rng.normal(size=500)
    new = np.exp(old)
    assert correlation(old, new) == pytest.approx(np.corrcoef(old, new)[0, 1])
    assert correlation(old, np.ones(500)) is None
    shift = Shift.of(column(old), column(new))
    assert shift.rank_correlation == pytest.approx(1)
    tied = Shift.of(column([1, 1, 2, 3]), column([4, 5, 5, 6]))  # ranks 1.5 1.5 3 4 and 1 2.5 2.5 4
    assert tied.rank_correlation == pytest.approx(np.corrcoef([1.5, 1.5, 3, 4], [1, 2.5, 2.5, 4])[0, 1])


def test_a_histogram_has_every_score_and_its_ends_are_open() -> None:
    old = np.concatenate([rng.uniform(0, 1, 10_000), [1e9]])
    found = histogram(old, np.full(7, -1e9))
    assert found.before.sum() == pytest.approx(1)
    assert found.after.tolist() == [1, *[0] * 19]
    assert np.diff(found.edges) == pytest.approx(np.full(20, found.edges[1] - found.edges[0]))
    assert found.edges[-1] < 2
    same = histogram(np.full(3, 0.5), np.full(3, 0.5))
    assert same.before.max() == 1


def test_scores_that_are_not_finite_are_counted_and_left_out() -> None:
    shift = Shift.of(column([1, np.nan, 3, np.inf, 5]), column([1, 2, np.nan, 4, 6]))
    assert (shift.events, shift.not_finite, shift.equal, shift.mean) == (2, 3, 1, (3, 3.5))
    nothing = Shift.of(column([np.nan]), column([1]))
    assert (nothing.events, nothing.not_finite, nothing.document()["quantiles"]) == (0, 1, [])


def test_the_largest_differences_of_all_batches_are_kept_with_their_ids() -> None:
    pairs = Pairs()
    old, new = rng.uniform(size=(300, 2)).astype(np.float32), rng.uniform(size=(300, 2)).astype(np.float32)
    new[17, 0] = np.nan
    for start in range(0, 300, 90):
        rows = slice(start, start + 90)
        pairs.add([b"%d" % row for row in range(300)][rows], old[rows], new[rows])
    apart = np.nan_to_num(np.abs(new.astype(np.float64) - old)).max(axis=1)
    expected = np.argsort(-apart)[:LARGEST].tolist()
    assert [int(each.event) for each in pairs.farthest] == expected
    first = pairs.farthest[0].document()
    assert first["before"] == old[expected[0]].tolist()
    assert first["difference"] == apart[expected[0]]
    assert (pairs.events, len(pairs.shifts())) == (300, 2)


def test_equal_scores_have_no_largest_difference() -> None:
    pairs = Pairs()
    scores = column([[0.5], [np.nan]])
    pairs.add([b"a", b"b"], scores, scores)
    assert pairs.farthest == []
    assert Pairs().shifts() == []
