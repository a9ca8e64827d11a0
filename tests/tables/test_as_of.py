"""A join by time gives the rows that pandas gives."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scorer.batch import Lookup
from tests.tables.test_features import asked, opened

PAIRS = st.lists(st.tuples(st.sampled_from("abcd"), st.integers(-5, 20)), min_size=1, max_size=30)


@given(PAIRS, PAIRS)
def test_rows_are_those_of_merge_asof(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, int]], events: list[tuple[str, int]]
) -> None:
    frame = pd.DataFrame(rows, columns=["tail", "since"])
    frame["seats"], frame["year"] = np.arange(len(rows), dtype=float), 1.0
    found = opened(
        tmp_path_factory.getbasetemp(),
        pa.Table.from_pandas(frame.assign(since=frame["since"].astype(float) / 1000)),
        "since",
    )
    asks = pd.DataFrame(events, columns=["tail", "at"])
    asks["number"] = np.arange(len(events))
    joined = pd.merge_asof(
        asks.sort_values("at", kind="stable"),
        frame.sort_values("since", kind="stable"),
        left_on="at",
        right_on="since",
        by="tail",
    ).sort_values("number")
    keys = sorted(set(asks["tail"]))
    slots = np.array([keys.index(tail) for tail in asks["tail"]], np.int32)
    request = asked(found, [f"plane:{key}".encode() for key in keys])
    (each,) = found.found([request], [slots], asks["at"].to_numpy(np.int64), 0)
    seats = np.where(each.results == Lookup.HIT, each.values[:, 0], np.nan)  # noqa: PD011  an array of ours
    np.testing.assert_array_equal(seats, joined["seats"].to_numpy())
