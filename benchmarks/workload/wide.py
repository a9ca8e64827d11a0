"""The same flights with any number of columns: their keys are real, their numbers are not."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.workload import HERE, Workload, build, load
from benchmarks.workload.flights import ENTITIES, EVENT_COLUMNS, Entity, Flights, join

EVENTS = 20_000  # distinct ones
TRAINING = 5_000  # of them: the scores need not be good, only full trees


def wide(folder: Path, flights: Flights, columns: int) -> Workload:
    """Make a workload in a new folder.

    Args:
        folder: for it.
        flights: whose keys are taken.
        columns: of the model, divided between the event and the entities as those of the flights are.
    """
    generator = np.random.default_rng(columns)

    def numbers(index: "pd.Index[str]", names: Sequence[str]) -> pd.DataFrame:
        drawn = generator.uniform(-100, 1000, (len(index), len(names))).round(2).astype("f4")
        return pd.DataFrame(drawn, index, list(names))

    fields = _fields(columns)
    events = flights.events[:EVENTS]
    events = events.join(numbers(events.index, fields["event"]))
    tables = {name: numbers(table.index, fields[name]) for name, table in flights.tables.items()}
    matrix, missing = join(events, fields["event"], tables)
    weights = generator.normal(size=columns)
    late = np.nan_to_num(matrix) @ weights > np.median(np.nan_to_num(matrix) @ weights)
    schema = json.loads((HERE / "event.avsc").read_text())
    schema["fields"] += [{"name": name, "type": "double"} for name in fields["event"]]
    data = replace(
        flights,
        events=events,
        matrix=matrix,
        missing=missing,
        history=matrix[:TRAINING],
        late=late[:TRAINING],
        tables=tables,
        columns=fields["event"],
        entities={name: Entity(entity.key, fields[name]) for name, entity in ENTITIES.items()},
    )
    build(folder, data, schema)
    return load(folder)


def _fields(columns: int) -> Mapping[str, Sequence[str]]:
    """Return the column names of the event and of each entity."""
    shares = {"event": len(EVENT_COLUMNS)} | {name: len(entity.fields) for name, entity in ENTITIES.items()}
    ends = np.cumsum([*shares.values()]) * columns // sum(shares.values())
    names = [f"x{number}" for number in range(columns)]
    return {name: names[start:end] for name, start, end in zip(shares, [0, *ends], ends, strict=False)}
