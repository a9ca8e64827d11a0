"""Which rows are captured, and what becomes of them."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from scorer.arrays.spans import Spans
from scorer.avro import read_capture
from scorer.batch import Matrix, Outcome, Payloads, Predictions, Records, Rejected
from scorer.replica.capturing import WAITING, BackgroundCapture, CaptureMetrics, Sampling, TransactionCapture
from scorer.rollout import Sample, keys_of
from scorer.settings import CaptureSettings

if TYPE_CHECKING:
    from scorer.kafka import SpareWriter, Write

COLUMNS = ("miles", "seats")


def outcome(rows: int, first: int = 0, foreign: list[bool] | None = None) -> tuple[Records, Outcome]:
    records = Records.numbered(rows, first)
    records = replace(records, topics=("flights",), topic=np.zeros(rows, np.int32))
    records = replace(records, keys=[f"key-{first + row}".encode() if row % 3 else None for row in range(rows)])
    ids = [f"id-{first + row}".encode() for row in range(rows)]
    ends = np.cumsum([len(each) for each in ids])
    values = np.arange(2 * rows, dtype=np.float32).reshape(rows, 2)
    predictions = Predictions(
        rows=np.arange(rows),
        data=np.frombuffer(b"".join(ids), np.uint8),
        id_starts=ends - [len(each) for each in ids],
        id_ends=ends,
        scores=np.linspace(0, 1, rows, dtype=np.float32),
        model="delays",
        arms=(("1", "champion"), ("2", "canary")),
        arm=(np.arange(rows) % 2).astype(np.uint8),
        entities=(),
        missing=np.zeros((rows, 0), np.bool_),
        degraded=False,
        origin=records.origin,
        event_time=np.zeros(rows, np.int64),
        scored_at=1_700_000_000_000,
    )
    mask = None if foreign is None else np.array(foreign, np.bool_)
    return records, Outcome(predictions, (), Matrix(values, np.zeros((rows, 0), np.bool_), foreign=mask), ())


class Writer:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.values: list[bytes] = []
        self.keys: list[bytes | None] = []

    def write(self, payloads: Payloads, keys: list[bytes | None]) -> None:
        ends = payloads.ends.tolist()
        self.values += [payloads.data[start:end] for start, end in zip([0, *ends], ends, strict=False)]
        self.keys += keys

    def poll(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """Nothing to close."""


def sampling(share: float) -> tuple[Sampling, CaptureMetrics, CollectorRegistry]:
    registry = CollectorRegistry()
    metrics = CaptureMetrics(registry)
    drawing = Sampling(CaptureSettings(topic="capture", sample=share), metrics)
    drawing.served(COLUMNS)
    return drawing, metrics, registry


def count(registry: CollectorRegistry, result: str) -> float | None:
    return registry.get_sample_value("scorer_captured_rows_total", {"result": result})


@given(st.lists(st.none() | st.binary(max_size=12), min_size=1, max_size=30), st.floats(0.01, 1), st.floats(0.01, 1))
def test_a_larger_sample_has_all_events_of_a_smaller_one(keys: list[bytes | None], some: float, other: float) -> None:
    ids = np.arange(len(keys) + 1)
    spans = Spans(np.frombuffer(bytes(len(keys)), np.uint8), ids[:-1], ids[1:])
    drawn = [Sample(share, "capture").of(*keys_of(keys, len(keys)), spans) for share in sorted((some, other))]
    assert (drawn[1] | ~drawn[0]).all()
    assert Sample(1.0, "capture").of(*keys_of(keys, len(keys)), spans).all()


def test_the_share_of_the_keys_is_drawn_and_never_changes() -> None:
    keys: list[bytes | None] = [f"key-{number}".encode() for number in range(20_000)]
    zeros = np.zeros(len(keys), np.int64)
    drawn = Sample(0.05, "capture").of(*keys_of(keys, len(keys)), Spans(np.zeros(1, np.uint8), zeros, zeros))
    assert abs(drawn.mean() - 0.05) < 0.005
    assert np.flatnonzero(drawn)[:5].tolist() == FIRST_DRAWN


FIRST_DRAWN = [3, 5, 9, 36, 46]


def test_rows_are_captured_beside_the_loop() -> None:
    drawing, metrics, registry = sampling(1.0)
    writer = Writer()
    capture = BackgroundCapture(drawing, metrics, cast("SpareWriter", writer))
    records, scored = outcome(6)
    capture.scored(scored)
    drawing.served(("another",))  # another champion serves before the batch is written
    capture.written(records, scored, [Rejected(2, cast("Any", "unwritable"), "")])
    capture.start()
    capture.close()
    rows = [read_capture(value) for value in writer.values]
    assert [row.event_id.decode() for row in rows] == ["id-0", "id-1", "id-3", "id-4", "id-5"]
    assert [row.columns for row in rows] == [COLUMNS] * 5
    assert [row.row.tolist() for row in rows] == [[0, 1], [2, 3], [6, 7], [8, 9], [10, 11]]
    assert [row.version for row in rows] == ["1", "2", "2", "1", "2"]
    assert writer.keys == [records.keys[row] for row in (0, 1, 3, 4, 5)]
    assert count(registry, "dropped") == 0


def test_what_nobody_has_time_for_is_dropped_and_counted() -> None:
    drawing, metrics, registry = sampling(1.0)
    capture = BackgroundCapture(drawing, metrics, cast("SpareWriter", Writer()))  # which is not started
    for batch in range(WAITING + 2):
        records, scored = outcome(5, 5 * batch)
        capture.scored(scored)
        capture.written(records, scored, ())
    assert count(registry, "dropped") == 10


def test_rows_of_another_plan_are_left_out_and_counted() -> None:
    drawing, _, registry = sampling(1.0)
    records, scored = outcome(4, foreign=[False, True, False, True])
    drawing.scored(scored)
    drawn = drawing.draw(scored, records.keys)
    assert drawn is not None
    assert drawn[0].ids == [b"id-0", b"id-2"]
    assert count(registry, "other_plan") == 2


def test_a_transaction_has_the_rows_of_its_own_batch_alone() -> None:
    drawing, metrics, registry = sampling(1.0)
    capture = TransactionCapture("capture", drawing, metrics)
    records, scored = outcome(4)
    others, _ = outcome(4, first=100)
    capture.scored(scored)
    assert capture.writes(others, ()) == []
    writes: list[Write] = []
    for _ in range(2):  # it is asked again for each attempt
        writes = capture.writes(records, [Rejected(1, cast("Any", "unwritable"), "")])
    assert [read_capture(write["value"] or b"").event_id for write in writes] == [b"id-0", b"id-2", b"id-3"]
    assert [write["key"] for write in writes] == [records.keys[row] for row in (0, 2, 3)]
    capture.written(records, scored, ())
    assert count(registry, "written") == 3
    capture.writes(records, ())
    capture.refused("too large")
    capture.written(records, scored, ())
    assert (count(registry, "written"), count(registry, "dropped")) == (3, 4)
