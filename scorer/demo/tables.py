"""The demo's feature tables, and the model's matrix made from them by pandas and numpy alone.

Each table has one line for each key, indexed by the fields of the key in `plan.yaml`; history covers the training
months. `matrix` repeats the plan's columns by hand, so that the expected scores do not depend on the product.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scorer.demo.flights import FIRST_EVENT_DATE, data_file

KEYS = {"plane": ["tailnum"], "route": ["origin", "dest"], "weather": ["origin", "scheduled_departure"]}
REGISTRY = ["built", "seats", "engines"]
OBSERVATION = ["temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib"]
CARRIERS = ["9E", "AA", "AS", "B6", "DL", "EV", "F9", "FL", "HA", "MQ", "OO", "UA", "US", "VX", "WN", "YV"]
ORIGINS = ["EWR", "JFK", "LGA"]
CATEGORICAL = {"carrier", "origin"}  # columns that are categorical in the model
HOUR = pd.Timedelta(hours=1)

Tables = Mapping[str, pd.DataFrame]  # by entity


def as_loaded(training: pd.DataFrame) -> Tables:
    """Return the tables that the demo loads into Redis, with the weather of the later months; the index is the key."""
    plane = _history(_daily(training, KEYS["plane"]).groupby(KEYS["plane"]).sum())[["flights", "late_share"]]
    route = _history(_daily(training, KEYS["route"]).groupby(KEYS["route"]).sum())[["late_share", "minutes_gained"]]
    weather = _weather()
    weather = weather[weather.index.get_level_values("scheduled_departure") >= FIRST_EVENT_DATE.tz_localize("UTC")]
    return {"plane": _registry().join(plane, how="outer"), "route": route, "weather": weather}


def found(flights: pd.DataFrame, tables: Tables) -> Tables:
    """Return, for each flight, its line of each table; all NaN if there is none."""
    hour = flights.scheduled_departure.dt.floor("h")
    keys = {name: flights.assign(scheduled_departure=hour)[fields] for name, fields in KEYS.items()}
    return {name: _aligned(table, keys[name]) for name, table in tables.items()}


def found_at_the_time(training: pd.DataFrame) -> Tables:
    """Return the same for training, with history up to the day before each flight, so that no flight sees its delay."""
    tables = found(training, {"plane": _registry(), "weather": _weather()})
    plane, route = (_history_before(training, KEYS[name]) for name in ("plane", "route"))
    return {**tables, "plane": tables["plane"].join(plane), "route": route}


def matrix(flights: pd.DataFrame, features: Tables) -> tuple[list[str], NDArray[np.float32]]:
    """Return the names of the model's columns and its matrix [flights, columns], NaN where missing."""
    plane, route, weather = features["plane"], features["route"], features["weather"]
    minutes = flights.local_time // pd.Timedelta(minutes=1)
    columns = {
        "dep_delay": flights.dep_delay,
        "hour": minutes // 60,
        "minute": minutes % 60,
        "weekday": flights.local_date.dt.day_of_week,
        "distance": flights.distance,
        "scheduled_minutes": flights.scheduled_minutes,
        "carrier": pd.Index(CARRIERS).get_indexer(flights.carrier),
        "origin": pd.Index(ORIGINS).get_indexer(flights.origin),
        **{name: plane[name] for name in REGISTRY},
        "plane_flights": plane.flights.fillna(0),
        "plane_late_share": plane.late_share,
        "route_late_share": route.late_share,
        "minutes_gained": route.minutes_gained,
        **{name: weather[name] for name in OBSERVATION},
        "expected_delay": flights.dep_delay - route.minutes_gained,
        "miles_per_hour": 60 * flights.distance / flights.scheduled_minutes,
    }
    values = np.column_stack([np.asarray(column, np.float64) for column in columns.values()])
    return list(columns), values.astype(np.float32)


def _registry() -> pd.DataFrame:
    planes = pd.read_csv(data_file("planes.csv")).rename(columns={"year": "built"})
    return planes.set_index(KEYS["plane"])[REGISTRY].astype(float)


def _weather() -> pd.DataFrame:
    """Return observations, keyed by the following hour: they are the latest when it begins. float32, as in packed."""
    weather = pd.read_csv(data_file("weather.csv"))
    weather["scheduled_departure"] = pd.to_datetime(weather.time_hour) + HOUR
    return weather.set_index(KEYS["weather"])[OBSERVATION].astype(np.float32)


def _daily(flights: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Return sums over the flights that arrived, by key and day."""
    arrived = flights[flights.late.notna()]
    return arrived.groupby([*keys, "local_date"]).agg(
        flights=("late", "size"), late=("late", "sum"), gained=("gained", "sum")
    )


def _history(sums: pd.DataFrame) -> pd.DataFrame:
    flown = sums.where(sums.flights > 0)
    return pd.DataFrame(
        {
            "flights": flown.flights,
            "late_share": flown.late / flown.flights,
            "minutes_gained": flown.gained / flown.flights,
        }
    )


def _history_before(flights: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    daily = _daily(flights, keys)
    before = daily.groupby(keys).cumsum() - daily
    return _aligned(_history(before), flights[[*keys, "local_date"]])


def _aligned(table: pd.DataFrame, keys: pd.DataFrame) -> pd.DataFrame:
    """Return the line of the table for each line of keys, with the index of `keys`."""
    wanted = pd.MultiIndex.from_frame(keys) if keys.shape[1] > 1 else pd.Index(keys.iloc[:, 0])
    return table.reindex(wanted).set_index(keys.index)
