"""Compares every output of a run with `booster.predict`."""

import io
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
from numpy.typing import NDArray

from benchmarks.topics import Output
from benchmarks.workload import Workload


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """The outputs of the events, compared with the expected ones.

    missing:    events without an output.
    duplicates: outputs of events that have another one.
    wrong:      outputs that say something else than they should, or of no event at all.
    numbers:    int64 [outputs], of the events.
    stamps:     int64 [outputs], when the broker appended each, milliseconds since the epoch.
    """

    missing: int
    duplicates: int
    wrong: int
    numbers: NDArray[np.int64]
    stamps: NDArray[np.int64]

    @property
    def passed(self) -> bool:
        """Whether each event has exactly its prediction."""
        return not (self.missing or self.duplicates or self.wrong)

    def __str__(self) -> str:
        return f"missing {self.missing:,}, duplicates {self.duplicates:,}, wrong {self.wrong:,}"


def verify(outputs: Iterable[Output], workload: Workload, events: int, schema: Path) -> Verdict:
    """Check the outputs of a run over the first events of the workload.

    Args:
        outputs: all of them.
        workload: knows what is right.
        events: how many there were.
        schema: of the outputs, `score.avsc` or `prediction.avsc`.
    """
    written = fastavro.parse_schema(json.loads(schema.read_text()))
    numbers, stamps, scores, missing, wrong = [], [], [], [], 0
    for output in outputs:
        try:
            number, score, lacking = _read(output, written, workload.version)
        except (EOFError, ValueError):
            wrong += 1
            continue
        numbers.append(number)
        stamps.append(output.stamp)
        scores.append(score)
        missing.append(lacking)
    at = np.array(numbers, np.int64)
    rows = at % len(workload.bodies)
    right = (np.array(scores, np.float32) == workload.scores[rows]) & (np.array(missing) == workload.missing[rows])
    right &= (at >= 0) & (at < events)
    known = np.unique(at[(at >= 0) & (at < events)])
    return Verdict(
        missing=events - len(known),
        duplicates=len(at) - len(np.unique(at)),
        wrong=wrong + int((~right).sum()),
        numbers=at,
        stamps=np.array(stamps, np.int64),
    )


def _read(output: Output, schema: Any, version: str) -> tuple[int, float, int]:  # noqa: ANN401  fastavro has no types
    """Return the event's number, its score and how many entities were missing; ValueError if the rest is wrong."""
    body = io.BytesIO(output.value)
    record: dict[str, Any] = fastavro.schemaless_reader(body, schema, None)  # type: ignore[assignment]  # a record's schema
    if body.read() or output.key != record["event_id"].encode():
        raise ValueError(output.key)
    if record.get("model_version", record.get("version")) != version:
        raise ValueError(version)
    lacking = record["entities_missing"] if "entities_missing" in record else len(record["missing"])
    return int(record["event_id"].removeprefix("evt-")), record["score"], lacking
