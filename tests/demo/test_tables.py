import numpy as np
import pandas as pd
import yaml

from scorer.demo import flights, tables, train
from tests.demo.conftest import Flights


def test_the_matrix_has_the_columns_of_the_plan(data: Flights) -> None:
    some = data.later[:10]
    names, values = tables.matrix(some, tables.found(some, data.loaded))
    plan = yaml.safe_load(train.PLAN_FILE.read_text())
    assert names == [column["name"] for column in plan["columns"]]
    assert values.shape == (10, len(names))
    assert values.dtype == np.float32


def test_tables_have_the_entities_keys_and_fields_of_the_plan(data: Flights) -> None:
    plan = yaml.safe_load(train.PLAN_FILE.read_text())["entities"]
    assert list(data.loaded) == list(plan)
    for name, table in data.loaded.items():
        assert list(table.columns) == plan[name]["fields"]
        assert table.index.is_unique
        assert all(f"{{{field}" in plan[name]["key"] for field in table.index.names)


def test_categories_are_those_of_the_plan(data: Flights) -> None:
    columns = {column["name"]: column for column in yaml.safe_load(train.PLAN_FILE.read_text())["columns"]}
    assert columns["carrier"]["categories"] == tables.CARRIERS == sorted(data.training.carrier.unique())
    assert columns["origin"]["categories"] == tables.ORIGINS == sorted(data.training.origin.unique())


def test_history_covers_only_the_training_months(data: Flights) -> None:
    tail = "N14228"
    flown = data.training[(data.training.tailnum == tail) & data.training.late.notna()]
    assert data.loaded["plane"].loc[tail, "flights"] == len(flown)
    assert data.loaded["plane"].loc[tail, "late_share"] == flown.late.mean()


def test_no_training_flight_sees_its_own_day_or_a_later_one(data: Flights) -> None:
    at = tables.found_at_the_time(data.training)
    january = data.training.local_date == "2013-01-01"
    assert at["plane"].flights[january].isna().all()
    assert at["route"][january].isna().all(axis=None)
    row = 150_000
    flight = data.training.loc[row]
    before = data.training[(data.training.local_date < flight.local_date) & data.training.late.notna()]
    same_route = before[(before.origin == flight.origin) & (before.dest == flight.dest)]
    same_plane = before[before.tailnum == flight.tailnum]
    assert at["route"].loc[row, "late_share"] == same_route.late.mean()
    assert at["route"].loc[row, "minutes_gained"] == same_route.gained.mean()
    assert at["plane"].loc[row, "flights"] == len(same_plane)


def test_weather_is_the_observation_of_the_previous_hour(data: Flights) -> None:
    weather = pd.read_csv(flights.data_file("weather.csv"))
    seen = weather[(weather.origin == "JFK") & (weather.time_hour == "2013-10-05T12:00:00Z")]
    known = data.loaded["weather"].loc[("JFK", pd.Timestamp("2013-10-05T13:00:00Z"))]
    assert known.temp == np.float32(seen.temp.item())


def test_entities_unknown_to_the_feature_store_are_missing(data: Flights) -> None:
    found = tables.found(data.later, data.loaded)
    unknown = {name: table.isna().all(axis=1) for name, table in found.items()}
    for gone in unknown.values():
        assert 0 < gone.mean() < 0.02
    assert set(data.later.tailnum[unknown["plane"]]).isdisjoint(data.loaded["plane"].index)
    _, values = tables.matrix(data.later, found)
    assert not np.isinf(values).any()
