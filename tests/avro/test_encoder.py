"""Predictions are the bytes that fastavro writes."""

import io
import json
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from scorer.avro import PREDICTION, PREDICTION_TEXT, Encoder
from scorer.batch import NO_COLUMN, NO_SLOT, NO_TIME, Explanations, Origin, Predictions
from tests.avro.batches import frame, framing_of

PUBLISHED = Path(__file__).parents[2] / "schemas" / "prediction.avsc"
SCHEMA = fastavro.parse_schema(json.loads(PUBLISHED.read_text()))
INT32 = st.integers(-(2**31), 2**31 - 1)
INT64 = st.integers(-(2**63), 2**63 - 1)
TEXT = st.text(max_size=9) | st.text(min_size=60, max_size=200)


@st.composite
def _batches(draw: st.DrawFn) -> dict[str, Any]:
    rows, entities = draw(st.integers(0, 6)), draw(st.lists(TEXT, max_size=4))
    classes = draw(st.none() | st.integers(0, 70))

    def each(item: st.SearchStrategy[Any]) -> list[Any]:
        return draw(st.lists(item, min_size=rows, max_size=rows))

    several = st.lists(st.floats(width=32), min_size=classes or 0, max_size=classes or 0)
    arms = draw(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=3))
    topics = draw(st.lists(TEXT, min_size=1, max_size=3))
    names, top = draw(st.lists(TEXT, min_size=1, max_size=4)), draw(st.integers(1, 70))
    part = st.tuples(st.integers(0, len(names) - 1), st.none() | st.floats(allow_nan=False), st.floats())
    lines = each(st.none() | st.lists(part, max_size=top))
    return {
        "names": names, "top": top, "explanation": draw(st.sampled_from([lines, [None] * rows])),
        "model": draw(TEXT), "arms": arms, "arm": each(st.integers(0, len(arms) - 1)),
        "entities": entities, "topics": topics,
        "topic": each(st.integers(0, len(topics) - 1)), "partition": each(INT32), "offset": each(INT64),
        "id": each(TEXT), "time": each(INT64), "scored_at": draw(INT64), "degraded": draw(st.booleans()),
        "score": each(st.floats(width=32) if classes is None else several), "classes": classes,
        "missing": each(st.lists(st.booleans(), min_size=len(entities), max_size=len(entities))),
        "rows": sorted(draw(st.sets(st.integers(0, rows - 1)) if rows else st.just(set()))),
    }  # fmt: skip


def _encoded(batch: dict[str, Any], framing: str, *, writable: bool = False) -> list[bytes]:
    rows = len(batch["id"])
    texts = [text.encode() for text in batch["id"]]
    ends = np.cumsum([len(text) for text in texts], dtype=np.int64)
    chosen = np.array(batch["rows"], np.int64)
    shape = (rows,) if batch["classes"] is None else (rows, batch["classes"])
    predictions = Predictions(
        rows=chosen,
        data=np.array(bytearray(b"".join(texts)), np.uint8) if writable else np.frombuffer(b"".join(texts), np.uint8),
        id_starts=(ends - [len(text) for text in texts]).astype(np.int64),
        id_ends=ends,
        scores=np.array(batch["score"], np.float32).reshape(shape),
        **{name: batch[name] for name in ("model", "degraded", "scored_at")},
        arms=tuple(batch["arms"]),
        arm=np.array(batch["arm"], np.uint8),
        entities=tuple(batch["entities"]),
        missing=np.array(batch["missing"], np.bool_).reshape(rows, len(batch["entities"])),
        origin=Origin(
            tuple(batch["topics"]), np.array(batch["topic"], np.int32), np.array(batch["partition"], np.int32),
            np.array(batch["offset"], np.int64),
        ),
        event_time=np.array(batch["time"], np.int64),
        explanations=_explanations(batch),
    )  # fmt: skip
    payloads = Encoder(framing_of(framing, PREDICTION).header).encode(predictions)
    assert payloads.rows is chosen
    assert len(payloads.data) == max(payloads.ends, default=0)
    ids = [len(texts[row]) for row in batch["rows"]]
    assert all(np.diff(payloads.ends, prepend=0) - ids <= payloads.ordinary)
    return [payloads.data[begin:end] for begin, end in zip([0, *payloads.ends], payloads.ends, strict=False)]


def _explanations(batch: dict[str, Any]) -> Explanations | None:
    lines = [line for line in batch["explanation"] if line is not None]
    if not lines:
        return None
    shape = len(lines), batch["top"]
    columns, values, parts = np.full(shape, NO_COLUMN, np.int32), np.full(shape, np.nan), np.zeros(shape)
    for number, line in enumerate(lines):
        for place, (column, value, part) in enumerate(line):
            columns[number, place], parts[number, place] = column, part
            values[number, place] = np.nan if value is None else value
    explained = np.array([line is not None for line in batch["explanation"]])
    slots = np.where(explained, np.cumsum(explained) - 1, NO_SLOT).astype(np.int32)
    return Explanations(tuple(batch["names"]), slots, columns, values, parts)


def _explanation(batch: dict[str, Any], row: int) -> list[dict[str, Any]] | None:
    line = batch["explanation"][row]
    if line is None:
        return None
    return [{"column": batch["names"][column], "value": value, "contribution": part} for column, value, part in line]


def _prediction(batch: dict[str, Any], row: int) -> dict[str, Any]:
    return {
        "event_id": batch["id"][row],
        "score": batch["score"][row],
        **{name: batch[name] for name in ("model", "degraded", "scored_at")},
        **dict(zip(("version", "arm"), batch["arms"][batch["arm"][row]], strict=True)),
        "missing": [name for name, gone in zip(batch["entities"], batch["missing"][row], strict=True) if gone],
        "source_topic": batch["topics"][batch["topic"][row]],
        "source_partition": batch["partition"][row],
        "source_offset": batch["offset"][row],
        "event_time": batch["scored_at"] if batch["time"][row] == NO_TIME else batch["time"][row],
        "explanation": _explanation(batch, row),
    }


def _by_fastavro(batch: dict[str, Any], row: int) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, SCHEMA, _prediction(batch, row))
    return out.getvalue()


SMALL: dict[str, Any] = {
    "model": "m", "arms": [("1", "champion")], "arm": [0], "entities": [], "topics": ["t"], "topic": [0],
    "partition": [0], "offset": [0], "id": ["a"], "time": [0], "scored_at": 0, "degraded": False, "score": [0.5],
    "classes": None, "missing": [[]], "rows": [0], "names": ["c"], "top": 1, "explanation": [None],
}  # fmt: skip
LARGE = SMALL | {  # numbers of the most bytes, and nothing left over in the buffer but what they take
    "partition": [-(2**31)], "offset": [-(2**63)], "time": [-(2**63)], "scored_at": -(2**63), "id": ["x" * 10_000],
    "entities": ["e"] * 100, "missing": [[True] * 100], "classes": 100, "score": [[0.5] * 100],
    "names": ["n" * 300], "top": 100, "explanation": [[(0, 0.5, -0.5)] * 100],
}  # fmt: skip


@pytest.mark.parametrize("framing", ["none", "single-object"])
@given(batch=_batches())
@example(batch=LARGE)
def test_predictions_equal_those_written_by_fastavro(framing: str, batch: dict[str, Any]) -> None:
    expected = [frame(_by_fastavro(batch, row), PREDICTION, framing) for row in batch["rows"]]
    assert _encoded(batch, framing) == expected


@pytest.mark.parametrize("writable", [False, True])
def test_ids_may_be_in_the_delivered_bytes_or_separate(*, writable: bool) -> None:
    assert _encoded(SMALL, "none", writable=writable) == [_by_fastavro(SMALL, 0)]


def test_the_score_is_the_float32_that_the_booster_returned() -> None:
    (body,) = _encoded(SMALL | {"score": [0.1]}, "none")
    found: Any = fastavro.schemaless_reader(io.BytesIO(body), SCHEMA)
    assert found["score"] == float(np.float32(0.1)) != 0.1


def test_an_event_without_a_time_gets_the_time_of_scoring() -> None:
    (body,) = _encoded(SMALL | {"time": [NO_TIME], "scored_at": 1_700_000_000_000}, "none")
    found: Any = fastavro.schemaless_reader(io.BytesIO(body), SCHEMA)
    assert found["event_time"] == found["scored_at"]


def test_a_reader_of_the_schema_before_explanations_reads_on() -> None:
    before = json.loads(PUBLISHED.read_text())
    before["fields"] = [field for field in before["fields"] if field["name"] != "explanation"]
    old = fastavro.parse_schema(before)
    (body,) = _encoded(SMALL | {"explanation": [[(0, 1.0, 2.0)]]}, "none")
    found: Any = fastavro.schemaless_reader(io.BytesIO(body), SCHEMA, old)
    assert set(found) == set(_prediction(SMALL, 0)) - {"explanation"}
    assert (found["event_id"], found["score"], found["source_offset"]) == ("a", 0.5, 0)
    out = io.BytesIO()
    fastavro.schemaless_writer(out, old, found)  # and a reader of today reads what was written before
    assert fastavro.schemaless_reader(io.BytesIO(out.getvalue()), old, SCHEMA) == found | {"explanation": None}


def test_the_published_schema_is_the_one_in_use() -> None:
    assert PUBLISHED.read_text() == PREDICTION_TEXT
