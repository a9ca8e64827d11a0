"""The table of events finds every id, however many there are and whichever were forgotten."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from scorer.labels.slim import Slim
from scorer.labels.table import NO_TIME, UNKNOWN, News, Table


def predictions(ids: list[int], scores: list[float]) -> News:
    count = len(ids)
    codes = np.full(count, UNKNOWN, np.int32)
    kinds, times = np.full(count, Slim.PREDICTION, np.uint8), np.full(count, 5, np.int64)
    return News(kinds, np.array(ids, np.int64), times, np.array(scores), codes, times)


@given(
    st.lists(st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(0, 5), min_size=1, max_size=30), max_size=5),
    st.sets(st.integers(0, 150)),
)
def test_every_id_has_one_row_with_its_last_score(batches: list[list[int]], forgotten: set[int]) -> None:
    table, expected, number = Table(), dict[int, float](), 0
    for ids in batches:
        scores = [float(number + at) for at in range(len(ids))]
        number += len(ids)
        table.apply(predictions(ids, scores))
        expected |= dict(zip(ids, scores, strict=True))
        kept = np.array([row not in forgotten for row in range(table.count)], np.bool_)
        lost = set(table.rows.ids[~kept].tolist())
        table.keep(kept)
        expected = {each: score for each, score in expected.items() if each not in lost}
        assert dict(zip(table.rows.ids.tolist(), table.rows.scores.tolist(), strict=True)) == expected


def test_a_table_grows() -> None:
    table = Table()
    ids = list(range(0, 5_000 * 4_096, 4_096))  # whose last bits are the same
    for start in range(0, 5_000, 1_250):
        touched = table.apply(predictions(ids[start : start + 1_250], [0.5] * 1_250))
        assert set(touched.tolist()) == {NO_TIME, 5}
    assert table.count == 5_000
    table.apply(predictions(ids, [1.0] * 5_000))
    assert table.count == 5_000
