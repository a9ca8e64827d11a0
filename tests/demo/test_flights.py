import io
from datetime import UTC, date, datetime, time
from pathlib import Path

import fastavro
import pandas as pd

from scorer.demo import flights
from tests.demo.conftest import Flights


def test_the_published_flight_schema_equals_that_of_the_package() -> None:
    assert (Path(__file__).parents[2] / "schemas/flight.avsc").read_bytes() == flights.SCHEMA_FILE.read_bytes()


def test_flights_are_split_in_time(data: Flights) -> None:
    assert data.training.local_date.max() == pd.Timestamp("2013-08-31")
    assert data.later.local_date.min() == pd.Timestamp("2013-09-01")
    assert len(data.training) + len(data.later) == 328_521
    assert len(data.later) >= 100_000


def test_every_flight_has_a_unique_id_and_is_in_order_of_departure(data: Flights) -> None:
    assert data.later.flight_id.is_unique
    assert data.later.scheduled_departure.is_monotonic_increasing


def test_an_event_contains_the_data_known_at_departure(data: Flights) -> None:
    first = data.later[data.later.flight_id == "UA1545-2013-09-01-EWR"]
    event = fastavro.schemaless_reader(io.BytesIO(*flights.encode(first)), flights.SCHEMA, None)
    assert event == {
        "flight_id": "UA1545-2013-09-01-EWR",
        "scheduled_departure": datetime(2013, 9, 1, 9, 16, tzinfo=UTC),
        "local_date": date(2013, 9, 1),
        "local_time": time(5, 16),
        "carrier": "UA",
        "flight": 1545,
        "tailnum": "N57869",
        "origin": "EWR",
        "dest": "IAH",
        "distance": 1400,
        "scheduled_minutes": 224,
        "dep_delay": -8,
    }


def test_departures_are_in_utc_before_and_after_the_clocks_change(data: Flights) -> None:
    offset = data.later.scheduled_departure.dt.tz_localize(None) - data.later.local_date - data.later.local_time
    summer = data.later.local_date < "2013-11-03"
    assert (offset[summer] == pd.Timedelta(hours=4)).all()
    assert (offset[~summer] == pd.Timedelta(hours=5)).all()


def test_timetables_give_plausible_speeds(data: Flights) -> None:
    speed = 60 * data.later.distance / data.later.scheduled_minutes
    assert speed.between(50, 600).all()


def test_outcomes_are_late_or_not_or_unknown(data: Flights) -> None:
    assert set(data.later.late.dropna().unique()) == {0.0, 1.0}
    assert 0 < data.later.late.isna().mean() < 0.01
    delay = data.later.dep_delay - data.later.gained
    assert ((delay > 15) == (data.later.late == 1)).all()
