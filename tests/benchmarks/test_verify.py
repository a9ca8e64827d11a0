import io
import json
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import pytest

from benchmarks.contenders import PREDICTIONS, SCORES
from benchmarks.topics import Output
from benchmarks.verify import Verdict, verify
from benchmarks.workload import Workload

EVENTS = 5
WORKLOAD = Workload(
    Path(), "v1", bodies=[b"a", b"b", b"c"], scores=np.array([0.1, 0.2, 0.3], "f4"), missing=np.array([0, 1, 2], "i4")
)


def output(number: int, **wrong: object) -> Output:
    row = number % 3
    record = {
        "event_id": f"evt-{number:012}",
        "score": float(WORKLOAD.scores[row]),
        "model_version": "v1",
        "entities_missing": int(WORKLOAD.missing[row]),
        "scored_at": 0,
    }
    return Output(number, record["event_id"].encode(), encoded({**record, **wrong}, SCORES))  # type: ignore[attr-defined]


def encoded(record: dict[str, Any], schema: Path) -> bytes:
    body = io.BytesIO()
    fastavro.schemaless_writer(body, fastavro.parse_schema(json.loads(schema.read_text())), record)
    return body.getvalue()


def counts(*outputs: Output, schema: Path = SCORES) -> tuple[int, int, int]:
    verdict = verify(outputs, WORKLOAD, EVENTS, schema)
    assert verdict.passed == (counted(verdict) == (0, 0, 0))
    return counted(verdict)


def counted(verdict: Verdict) -> tuple[int, int, int]:
    return verdict.missing, verdict.duplicates, verdict.wrong


RIGHT = [output(number) for number in range(EVENTS)]


def test_correct_outputs_have_no_faults() -> None:
    assert counts(*RIGHT[::-1]) == (0, 0, 0)


def test_all_events_are_missing_without_outputs() -> None:
    assert counts() == (EVENTS, 0, 0)


def test_an_event_without_an_output_is_missing() -> None:
    assert counts(*RIGHT[:2], *RIGHT[3:]) == (1, 0, 0)


def test_an_event_with_two_outputs_is_a_duplicate() -> None:
    assert counts(*RIGHT, RIGHT[1]) == (0, 1, 0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"score": float(np.nextafter(WORKLOAD.scores[2], np.float32(1)))},
        {"score": float("nan")},
        {"entities_missing": 1},
    ],
)
def test_an_output_that_differs_in_the_last_bit_is_wrong(wrong: dict[str, object]) -> None:
    assert counts(*RIGHT[:2], output(2, **wrong), *RIGHT[3:]) == (0, 0, 1)


def test_an_output_of_another_version_does_not_count() -> None:
    assert counts(*RIGHT[:2], output(2, model_version="v2"), *RIGHT[3:]) == (1, 0, 1)


@pytest.mark.parametrize("value", [b"", RIGHT[2].value[:-1], RIGHT[2].value + b"\0"])
def test_an_output_that_cannot_be_decoded_is_wrong(value: bytes) -> None:
    assert counts(*RIGHT[:2], Output(0, RIGHT[2].key, value), *RIGHT[3:]) == (1, 0, 1)


@pytest.mark.parametrize("key", [None, b"evt-000000000003"])
def test_an_output_with_another_key_is_wrong(key: bytes | None) -> None:
    assert counts(*RIGHT[:2], Output(0, key, RIGHT[2].value), *RIGHT[3:]) == (1, 0, 1)


def test_an_output_without_an_event_is_wrong() -> None:
    assert counts(*RIGHT, output(EVENTS)) == (0, 0, 1)


def test_predictions_name_the_missing_entities() -> None:
    def prediction(number: int, missing: list[str]) -> Output:
        record = {
            **dict.fromkeys(("model", "arm", "source_topic"), "x"),
            **dict.fromkeys(("source_partition", "source_offset", "event_time", "scored_at"), 0),
            "event_id": f"evt-{number:012}",
            "score": float(WORKLOAD.scores[number]),
            "version": "v1",
            "missing": missing,
            "degraded": False,
        }
        return Output(0, f"evt-{number:012}".encode(), encoded(record, PREDICTIONS))

    right = [prediction(0, []), prediction(1, ["plane"])]
    assert counts(*right, prediction(2, ["plane", "route"]), schema=PREDICTIONS) == (2, 0, 0)
    assert counts(*right, prediction(2, ["plane"]), schema=PREDICTIONS) == (2, 0, 1)
