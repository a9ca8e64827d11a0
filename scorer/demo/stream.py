"""The records that the demo sends (flights and a few bad records), and the expected outcome of each."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import xgboost
from numpy.typing import NDArray

from scorer.demo import flights, tables
from scorer.demo.proof import Expected, booster_scores

BAD_OF_EACH = 3  # bad records of each kind
NO_FLIGHT = -1


@dataclass(frozen=True, slots=True, eq=False)
class Stream:
    """Every record in the order of sending.

    flights:  the flights, one line each, with the time when each `arrived`.
    flight:   int64 [records], the line in `flights` of each record, or NO_FLIGHT for a bad record.
    values:   the values of the records; their keys are the ids in `expected`.
    broken:   the number of the first record with a field in another unit; None if there is none.
    expected: the expected outcome of each record.
    """

    flights: pd.DataFrame
    flight: NDArray[np.int64]
    values: list[bytes]
    expected: Expected
    broken: int | None = None

    def late(self, numbers: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return whether the flights of these records really were late: 1 late, 0 on time, NaN unknown."""
        return np.asarray(self.flights.late, np.float64)[self.flight[numbers]]


def make(
    count: int, later: pd.DataFrame, features: tables.Tables, models: Mapping[str, Path], broken: Collection[str] = ()
) -> Stream:
    """Return the first `count` flights, repeated under new ids if there are fewer, with bad records between them.

    Args:
        count: the number of events, not counting bad records.
        later: the flights of the later months.
        features: the tables as loaded into the feature store.
        models: the model files of the versions that the replicas may serve.
        broken: the fields that have other units in the second half of the events.
    """
    later = later[:count].assign(arrived=flights.arrivals(later[:count]))
    length, half, line = len(later), count // 2, np.arange(count) % min(count, len(later))
    if broken:
        later = pd.concat([later, flights.broken(later, broken)], ignore_index=True)
        line[half:] += length
    found = tables.found(later, features)
    matrix = tables.matrix(later, found)
    boosters = {version: xgboost.Booster({"nthread": 1}, model_file=file) for version, file in models.items()}
    scores = {version: booster_scores(booster, *matrix) for version, booster in boosters.items()}
    missing = [table.isna().all(axis=1).to_numpy() << np.uint8(bit) for bit, table in enumerate(found.values())]
    ids, values = _fresh(later.flight_id.tolist(), flights.encode(later), line, length)
    bad = _bad_records(values[0])
    at = np.linspace(0, count, len(bad) + 2).astype(int)[1:-1]  # where bad records go among the events
    for place, (name, value, _) in sorted(zip(at.tolist(), bad, strict=True), reverse=True):
        ids.insert(place, name)
        values.insert(place, value)
    return Stream(
        later,
        np.insert(line, at, NO_FLIGHT),
        values,
        Expected(
            ids,
            {version: np.insert(each[line].astype(np.float64), at, np.nan) for version, each in scores.items()},
            np.insert(np.bitwise_or.reduce(missing)[line], at, 0).astype(np.uint8),
            {int(place) + before: reason for before, (place, (_, _, reason)) in enumerate(zip(at, bad, strict=True))},
        ),
        half + int((at <= half).sum()) if broken else None,
    )


def _fresh(ids: list[str], bodies: list[bytes], line: NDArray[np.int64], length: int) -> tuple[list[str], list[bytes]]:
    """Return the ids and bodies of these lines; from the second lap of so many lines on, each has a new id."""
    rest = [body[len(flights.avro_text(name)) :] for name, body in zip(ids, bodies, strict=True)]
    fresh = [ids[at] if lap == 0 else f"{ids[at]}-{lap + 1}" for lap, at in zip(*_laps(line, length), strict=True)]
    return fresh, [flights.avro_text(name) + rest[at] for name, at in zip(fresh, line.tolist(), strict=True)]


def _laps(line: NDArray[np.int64], length: int) -> tuple[list[int], list[int]]:
    return (np.arange(len(line)) // length).tolist(), line.tolist()


def _bad_records(body: bytes) -> list[tuple[str, bytes, str]]:
    """Return records that cannot be scored: name, value, and the expected reason of the dead letter."""
    kinds = [
        ("truncated", body[:-3]),
        ("trailing-bytes", body + b"\0\0"),
        ("bad-value", body[:1] + b"\xff" + body[2:]),  # an id that is not UTF-8
        ("empty", b""),
    ]
    return [(f"{reason}-{again}", value, reason) for again in range(BAD_OF_EACH) for reason, value in kinds]
