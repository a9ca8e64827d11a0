"""A model that needs no features, files of its events, and what is predicted of each."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import pyarrow as pa
import xgboost
import yaml
from pyarrow import csv, parquet

from scorer.cli import main

SCHEMA = {
    "type": "record",
    "name": "Payment",
    "fields": [
        {"name": "id", "type": "string"},
        {"name": "amount", "type": "double"},
        {"name": "items", "type": ["null", "int"], "default": None},
    ],
}
KAFKA = {
    "bootstrap_servers": "localhost:9",
    "group_id": "g",
    "input_topics": ["payments"],
    "output_topic": "scores",
    "dead_letter_topic": "dead",
}
COLUMNS = pa.schema({"id": pa.string(), "amount": pa.float64(), "items": pa.int64()})


def write_config(folder: Path) -> Path:
    """Return the configuration of a model with version 1."""
    add_version(folder, "1", 8)
    (folder / "event.avsc").write_text(json.dumps(SCHEMA))
    file = folder / "scorer.yaml"
    events = {"schema": "event.avsc", "id": "id"}
    document = {"kafka": KAFKA, "events": events, "model": {"path": "models/fraud"}, "batch": {"max_records": 100}}
    file.write_text(yaml.safe_dump(document))
    return file


def add_version(folder: Path, version: str, slope: float) -> None:
    """Add a version by hand, without a manifest."""
    bundle = folder / "models/fraud" / version
    bundle.mkdir(parents=True)
    data = np.linspace(0, 10, 60, dtype=np.float32).reshape(-1, 2)
    matrix = xgboost.DMatrix(data, data.sum(axis=1) * slope, feature_names=["amount", "items"])
    xgboost.train({"max_depth": 3, "nthread": 1}, matrix, 10).save_model(bundle / "model.ubj")
    (bundle / "plan.yaml").write_text("columns: [{name: amount, event: amount}, {name: items, event: items}]")


def events(name: str, count: int, first: int = 0) -> list[dict[str, Any]]:
    """Return events with ids of their own."""
    numbers = range(first, first + count)
    return [{"id": f"{name}-{at}", "amount": at / 7, "items": at % 11 if at % 5 else None} for at in numbers]


def write(file: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write events in the form that the ending of the name says."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.suffix == ".jsonl":
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif file.suffix == ".avro":
        with file.open("wb") as out:
            fastavro.writer(out, fastavro.parse_schema(SCHEMA), rows)
    elif file.suffix == ".csv":
        csv.write_csv(pa.Table.from_pylist(list(rows), COLUMNS), file)
    else:
        parquet.write_table(pa.Table.from_pylist(list(rows), COLUMNS), file)


def read(file: Path) -> list[dict[str, Any]]:
    """Return the predictions of a file without their times, which differ."""
    if file.suffix == ".parquet":
        rows = parquet.read_table(file).to_pylist()
    elif file.suffix == ".avro":
        with file.open("rb") as source:
            rows = [dict(row) for row in fastavro.reader(source) if isinstance(row, dict)]
    else:
        rows = [json.loads(line) for line in file.read_text().splitlines()]
    return [{name: value for name, value in row.items() if name not in {"scored_at", "event_time"}} for row in rows]


def score(config: Path, *words: object) -> int:
    """Run the command, and return its exit code."""
    return main(["score", "-c", str(config), *map(str, words)])


def names(folder: Path) -> list[str]:
    """Return the files of a folder that others see, in order."""
    found = (file.relative_to(folder) for file in folder.rglob("*") if file.is_file())
    return sorted(str(file) for file in found if not any(part.startswith(("_", ".")) for part in file.parts))
