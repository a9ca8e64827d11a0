"""What slim records have of predictions, labels and events."""

import io
import json
from dataclasses import replace
from typing import Any

import fastavro
import numpy as np
import pytest

from scorer.avro import PREDICTION, PREDICTION_TEXT, Schema, unframed
from scorer.batch import Records
from scorer.errors import Misconfigured
from scorer.labels.reading import Labels, Predictions, Reading, Segments, Thinner
from scorer.labels.slim import Slim, decode, short_id
from scorer.labels.task import Task
from scorer.settings import LabelSettings

LABEL = {
    "type": "record",
    "name": "Arrival",
    "fields": [
        {"name": "flight", "type": ["null", "string"]},
        {"name": "late", "type": ["null", "boolean"]},
        {"name": "delay", "type": "double"},
        {"name": "state", "type": {"type": "enum", "name": "State", "symbols": ["landed", "diverted"]}},
        {"name": "carrier", "type": ["null", "string"]},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    ],
}
ARRIVAL = {"flight": "AA1", "late": True, "delay": 2.5, "state": "diverted", "carrier": "AA", "at": 1_000}
WRITTEN = {"prediction": fastavro.parse_schema(json.loads(PREDICTION_TEXT)), "label": fastavro.parse_schema(LABEL)}
SCHEMA = Schema.parse(json.dumps(LABEL), "label.avsc")


def avro(kind: str, document: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, WRITTEN[kind], document)
    return out.getvalue()


def prediction(event: str, score: float | list[float], version: str = "1", arm: str = "champion") -> bytes:
    return avro("prediction", {
        "event_id": event, "score": score, "model": "delays", "version": version, "arm": arm, "missing": ["plane"],
        "degraded": False, "source_topic": "flights", "source_partition": 0, "source_offset": 1, "event_time": 5,
        "scored_at": 1_700_000_000_000, "explanation": None,
    })  # fmt: skip


def records(values: list[bytes], topic: str = "topic") -> Records:
    made = Records.of(values)
    numbers = np.zeros(len(values), np.int32)
    times = np.full(len(values), 77, np.int64)
    return replace(
        made, topics=(topic,), topic=numbers, partition=numbers, timestamp=times, originals=[None] * len(values)
    )


def settings(**changes: Any) -> LabelSettings:
    given = {"topic": "arrivals", "schema": "label.avsc", "id": "flight", "label": "late", "time": "at"} | changes
    return LabelSettings.model_validate(given)


def labels(task: Task = Task.BINARY, segments: tuple[str, ...] = (), **changes: Any) -> Labels:
    return Labels(settings(**changes), SCHEMA, unframed(SCHEMA), task, segments)


def test_predictions_keep_id_score_time_version_and_arm() -> None:
    reading = Predictions(unframed(PREDICTION), Task.BINARY)
    values = [prediction("AA1", 0.25), b"\x00 no prediction", prediction("B6-2", 0.75, "2", "canary")]
    rows, ids, slim = reading.thin(records(values))
    assert rows == [0, 2]
    assert ids == [short_id(b"AA1"), short_id(b"B6-2")]
    found = decode(slim)
    assert found.kinds.tolist() == [Slim.PREDICTION] * 2
    assert found.ids.tobytes() == b"".join(ids)
    assert found.numbers.tolist() == [0.25, 0.75]
    assert found.times.tolist() == [1_700_000_000_000] * 2
    assert found.tails == [b"1\0champion", b"2\0canary"]


def test_of_several_scores_the_largest_is_the_predicted_class() -> None:
    values = [prediction("a", [0.1, 0.7, 0.2]), prediction("b", 2.0), prediction("c", [])]
    _, _, slim = Predictions(unframed(PREDICTION), Task.CLASSES).thin(records(values))
    assert decode(slim).numbers.tolist() == pytest.approx([1.0, 2.0, np.nan], nan_ok=True)
    _, _, slim = Predictions(unframed(PREDICTION), Task.NUMBER).thin(records(values))
    assert decode(slim).numbers.tolist() == pytest.approx([np.nan, 2.0, np.nan], nan_ok=True)


@pytest.mark.parametrize(
    ("field", "task", "expected"),
    [("late", Task.BINARY, 1.0), ("delay", Task.NUMBER, 2.5), ("state", Task.CLASSES, 1.0)],
)
def test_a_label_is_a_boolean_a_number_or_the_index_of_a_symbol(field: str, task: Task, expected: float) -> None:
    rows, ids, slim = labels(task, ("carrier",), label=field).thin(records([avro("label", ARRIVAL)]))
    found = decode(slim)
    assert (rows, ids, found.kinds.tolist()) == ([0], [short_id(b"AA1")], [Slim.LABEL])
    assert (found.numbers.tolist(), found.times.tolist(), found.tails) == ([expected], [1_000], [b"AA"])


def test_bad_labels_say_why_and_where_and_stop_nothing() -> None:
    values = [
        avro("label", ARRIVAL | {"flight": None}),
        avro("label", ARRIVAL),
        avro("label", ARRIVAL | {"late": None}),
        avro("label", ARRIVAL)[:-1],
    ]
    rows, _, slim = labels().thin(records(values, "arrivals"))
    found = decode(slim)
    by_row = dict(zip(rows, zip(found.kinds.tolist(), found.tails, strict=True), strict=True))
    assert by_row[1] == (Slim.LABEL, b"")
    assert by_row[0] == (Slim.BAD_LABEL, b"no-id\0arrivals-0@0: 'flight' is null")
    assert by_row[2] == (Slim.BAD_LABEL, b"no-label\0arrivals-0@2: 'late' is null")
    assert by_row[3][0] == Slim.BAD_LABEL
    assert by_row[3][1].startswith(b"truncated\0arrivals-0@3: ")


def test_a_label_that_the_model_cannot_predict_is_bad() -> None:
    _, _, slim = labels(Task.BINARY, label="delay").thin(records([avro("label", ARRIVAL)]))
    assert decode(slim).tails == [b"bad-label\0topic-0@0: 'delay' is 2.5; expected 0 or 1, or false or true"]


def test_a_label_that_no_score_can_be_is_bad() -> None:
    some = records([avro("label", ARRIVAL | {"delay": value}) for value in (1e308, 3.4e38, -3.5e38)])
    _, _, slim = labels(Task.NUMBER, label="delay").thin(some)
    assert decode(slim).kinds.tolist() == [Slim.LABEL, Slim.BAD_LABEL, Slim.BAD_LABEL]
    assert b"'delay' is 1e+308; expected a finite number that a float32 can hold" in decode(slim).tails[1]


def test_segments_are_texts_of_the_event() -> None:
    reading = Segments(SCHEMA, unframed(SCHEMA), ("carrier", "state"), "flight")
    values = [avro("label", ARRIVAL), avro("label", ARRIVAL | {"carrier": None, "flight": "x"})]
    _, ids, slim = reading.thin(records(values))
    assert ids == [short_id(b"AA1"), short_id(b"x")]
    assert decode(slim).tails == [b"AA\0diverted", b"\0diverted"]


def test_fields_are_checked_before_anything_is_read() -> None:
    with pytest.raises(Misconfigured) as caught:
        labels(id="delay", label="carrier", time="late")
    assert [problem.where for problem in caught.value.problems] == ["labels.id", "labels.label", "labels.time"]
    with pytest.raises(Misconfigured, match=r"labels\.segments: unknown field 'carier'; did you mean 'carrier'\?"):
        Segments(SCHEMA, unframed(SCHEMA), ("carier",), None)


def test_a_batch_of_several_topics_keeps_its_order() -> None:
    readings: dict[str, Reading] = {"p": Predictions(unframed(PREDICTION), Task.BINARY), "l": labels()}
    mixed = replace(
        records([avro("label", ARRIVAL), prediction("AA1", 0.5), b"junk", prediction("AA2", 0.75)]),
        topics=("p", "l"),
        topic=np.array([1, 0, 0, 0], np.int32),
    )
    written, payloads = Thinner(readings).thin(mixed)
    assert payloads.rows.tolist() == [0, 1, 3]
    assert list(written.keys) == [short_id(b"AA1"), short_id(b"AA1"), None, short_id(b"AA2")]
    ends = payloads.ends.tolist()
    values = [payloads.data[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]
    assert decode(values).kinds.tolist() == [Slim.LABEL, Slim.PREDICTION, Slim.PREDICTION]
