"""Captured rows are Avro by their published schema, and what is read is what was written."""

import io
import json
from pathlib import Path

import fastavro
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from scorer.avro import CAPTURE_TEXT, Captured, read_capture
from scorer.batch import NO_TIME

SCHEMA = fastavro.parse_schema(json.loads(CAPTURE_TEXT))
SINGLES = st.floats(width=32, allow_nan=True, allow_infinity=False).map(np.float32)


@st.composite
def captures(draw: st.DrawFn) -> Captured:
    rows, columns = draw(st.integers(1, 4)), draw(st.integers(0, 70))
    shape = draw(st.sampled_from([(rows,), (rows, 0), (rows, 3)]))
    return Captured(
        ids=[draw(st.text(max_size=80)).encode() for _ in range(rows)],
        scores=draw(arrays.arrays(np.float32, shape, elements=SINGLES)),
        model="delays",
        arms=[draw(st.sampled_from([("1", "champion"), ("é", "canary")])) for _ in range(rows)],
        columns=tuple(f"column {number}" for number in range(columns)),
        values=draw(arrays.arrays(np.float32, (rows, columns), elements=SINGLES)),
        sample=draw(st.sampled_from([1.0, 0.01])),
        places=[("flights", draw(st.integers(0, 2**31 - 1)), draw(st.integers(0, 2**63 - 1))) for _ in range(rows)],
        event_time=np.array([draw(st.sampled_from([NO_TIME, -1, 0, 2**41])) for _ in range(rows)]),
        scored_at=1_700_000_000_000,
    )


@given(captures())
def test_rows_are_avro_and_are_read_as_they_were_written(captured: Captured) -> None:
    values = captured.encoded()
    assert len(values) == len(captured.ids)
    for at, value in enumerate(values):
        body = io.BytesIO(value)
        record = fastavro.schemaless_reader(body, SCHEMA, None)
        assert isinstance(record, dict)
        assert body.read() == b""
        time = int(captured.event_time[at])
        assert record["event_id"] == captured.ids[at].decode()
        assert np.array_equal(record["score"], captured.scores[at].astype(np.float64), equal_nan=True)
        assert (record["version"], record["arm"]) == captured.arms[at]
        assert (record["source_topic"], record["source_partition"], record["source_offset"]) == captured.places[at]
        assert record["event_time"].timestamp() * 1000 == (captured.scored_at if time == NO_TIME else time)
        assert np.array(record["row"], np.float32).tobytes() == captured.values[at].tobytes()
        read = read_capture(value)
        assert (read.event_id, read.columns, read.sample) == (captured.ids[at], captured.columns, captured.sample)
        assert (read.version, read.arm, read.scored_at) == (*captured.arms[at], captured.scored_at)
        assert read.row.tobytes() == captured.values[at].tobytes()


@given(captures(), st.data())
def test_damaged_rows_are_refused(captured: Captured, data: st.DataObject) -> None:
    value = captured.encoded()[0]
    with pytest.raises(ValueError, match="no captured row"):
        read_capture(value[: data.draw(st.integers(0, len(value) - 1))])
    with pytest.raises(ValueError, match="no captured row"):
        read_capture(value + b"\0")


def test_a_row_cut_within_its_last_number_is_refused() -> None:
    nothing, at = np.zeros((1, 1), np.float32), [("t", 0, 0)]
    whole = Captured(
        [b"a"], nothing[0], "m", [("1", "champion")], ("c",), nothing, 1.0, at, np.zeros(1, np.int64), 2**40
    )
    value = whole.encoded()[0]
    for end in range(len(value)):
        with pytest.raises(ValueError, match="no captured row"):
            read_capture(value[:end])


def test_the_schema_is_published() -> None:
    assert (Path(__file__).parents[2] / "schemas/capture.avsc").read_text() == CAPTURE_TEXT
