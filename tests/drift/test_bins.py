"""Counting rows into bins, against plain numpy on the same rows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scorer.batch import UNKNOWN_CATEGORY
from scorer.drift import NUMBER, make_baseline
from scorer.drift.baseline import Layout, Profile, counted, score_names
from scorer.drift.bins import MOST_CODES
from tests.drift import oracle
from tests.drift.streams import COLUMNS, baseline, rows

SINGLES = st.one_of(
    st.floats(width=32, allow_infinity=False), st.sampled_from([0.0, -0.0, 1.0, 2.0, 3.0, 0.5, -1.0, UNKNOWN_CATEGORY])
)


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_counts_are_those_of_numpy(data: st.DataObject) -> None:
    edges = sorted(data.draw(st.sets(st.floats(-100, 100, width=32), max_size=9)))
    least = min([*edges, 0.0]) - data.draw(st.sampled_from([0.0, 1.0]))
    most = max([*edges, 0.0]) + 1
    profiles = [
        Profile("number", (0,) * (len(edges) + 1), 0, 0, tuple(edges), least, most),
        Profile("code", (0,) * 3, 0, codes=3),
        Profile("nothing", (0,), 0),
    ]
    layout = Layout(profiles)
    drawn = data.draw(st.lists(st.tuples(SINGLES, SINGLES, SINGLES), max_size=60))
    values = np.array(drawn, np.float32).reshape(len(drawn), 3)
    counts = counted(layout, values)
    assert layout.of(counts, 0).tolist() == oracle.number_bins(values[:, 0], edges, least, most)
    assert layout.of(counts, 1).tolist() == oracle.code_bins(values[:, 1], 3)
    there = int((~np.isnan(values[:, 2])).sum())
    assert layout.of(counts, 2).tolist() == [0, there, 0, len(values) - there], "without a range there is one bin"


def test_shares_come_from_the_right_bins() -> None:
    base = baseline()
    values, _ = rows(5_000, 3)
    values[:7, 0] = 1_000
    values[7:10, 0] = -1_000
    values[:20, 2] = 9  # a code that the model does not have
    layout, counts = base.layout, counted(base.layout, values)
    assert layout.outside(counts).tolist() == [10, 0, 0, 0, 0]
    marked = int(oracle.unknown_of(np.ascontiguousarray(values[:, 2])).sum())
    missing = np.isnan(values).sum(axis=0) - [0, 0, marked, 0, 0]
    assert counts[layout.missing].tolist() == missing.tolist()
    assert layout.unknowns(counts)[2] == marked + 20
    assert layout.unknowns(counts)[[0, 1, 3, 4]].tolist() == [0, 0, 0, 0]


def test_a_baseline_has_ten_bins_of_about_equal_shares_and_merges_repeated_quantiles() -> None:
    values, scores = rows(20_000, missing=0.0)
    amount, hour, carrier, constant, absent = make_baseline(COLUMNS, values, scores).columns
    assert len(amount.counts) == 10
    assert max(amount.counts) - min(amount.counts) <= 1
    assert (amount.least, amount.most) == (values[:, 0].min(), values[:, 0].max())
    assert len(set(hour.edges)) == len(hour.edges) < 10
    assert carrier.counts == tuple(int((values[:, 2] == code).sum()) for code in range(4))
    assert carrier.unknown == oracle.unknown_of(np.ascontiguousarray(values[:, 2])).sum()
    assert (constant.edges, constant.counts, constant.least, constant.most) == ((), (20_000,), 3.0, 3.0)
    assert (absent.counts, absent.missing) == ((0,), 20_000)


@pytest.mark.parametrize("share", [0.02, 0.5, 0.98])
def test_two_values_are_two_bins(share: float) -> None:
    values = (np.arange(1_000) < share * 1_000).astype(np.float32).reshape(-1, 1)
    (profile,) = make_baseline({"flag": NUMBER}, values, values).columns
    counts = counted(Layout([profile]), np.array([[0], [1], [1], [2], [-1], [np.nan]], np.float32)).tolist()
    below, zero, *between, one, above, missing = counts
    assert (below, zero, one, above, missing) == (1, 1, 2, 1, 1), "also if one of them is rare"
    assert sum(between) == 0


def test_the_last_bin_takes_the_codes_beyond_the_limit() -> None:
    codes = MOST_CODES + 10
    values = np.array([[0], [MOST_CODES - 1], [MOST_CODES], [codes - 1], [codes]], np.float32)
    (profile,) = make_baseline({"many": codes}, values, values[:, 0]).columns
    assert len(profile.counts) == MOST_CODES
    assert (profile.counts[0], profile.counts[-1], profile.unknown) == (1, 3, 1)


@pytest.mark.parametrize(
    ("columns", "outputs", "names"),
    [
        (["a"], 1, ["score"]),
        (["a"], 2, ["score[0]", "score[1]"]),
        (["score", "@score"], 1, ["@@score"]),
        (["score[1]"], 2, ["@score[0]", "@score[1]"]),
    ],
)
def test_outputs_have_names_that_no_column_has(columns: list[str], outputs: int, names: list[str]) -> None:
    assert score_names(outputs, columns) == names
