import io
from pathlib import Path

import fastavro
import numpy as np
import pytest
import xgboost

from scorer.demo import flights, proof, stream, tables
from scorer.demo.stream import NO_FLIGHT
from tests.demo.conftest import Flights

MODEL = Path(__file__).parents[2] / "models/flight-delays/1/model.ubj"


def test_every_event_is_a_flight_and_has_the_score_of_the_booster(data: Flights) -> None:
    made = stream.make(500, data.later, data.loaded, {"1": MODEL})
    events = np.flatnonzero(made.flight != NO_FLIGHT)
    assert len(events) == 500
    some = data.later[:500]
    scores = proof.booster_scores(
        xgboost.Booster(model_file=MODEL), *tables.matrix(some, tables.found(some, data.loaded))
    )
    assert np.array_equal(made.expected.scores["1"][events], scores.astype(np.float64))
    for number, flight_id in zip(events.tolist(), some.flight_id, strict=True):
        event = fastavro.schemaless_reader(io.BytesIO(made.values[number]), flights.SCHEMA, None)
        assert isinstance(event, dict)
        assert event["flight_id"] == made.expected.ids[number] == flight_id


def test_bad_records_are_among_the_events_and_each_has_its_reason(data: Flights) -> None:
    made = stream.make(500, data.later, data.loaded, {"1": MODEL})
    bad = np.flatnonzero(made.flight == NO_FLIGHT).tolist()
    assert sorted(made.expected.reasons) == bad
    assert len(bad) == 4 * stream.BAD_OF_EACH
    for number, reason in made.expected.reasons.items():
        assert made.expected.ids[number].startswith(reason)
        assert 0 < number < len(made.values) - 1


def test_flights_are_repeated_with_new_ids_if_more_events_are_needed(data: Flights) -> None:
    made = stream.make(25, data.later[:10], data.loaded, {"1": MODEL})
    events = np.flatnonzero(made.flight != NO_FLIGHT)
    assert len(set(made.expected.ids)) == len(made.expected.ids)
    assert np.array_equal(made.flight[events], np.arange(25) % 10)
    assert np.array_equal(made.expected.scores["1"][events[10:20]], made.expected.scores["1"][events[:10]])
    again = fastavro.schemaless_reader(io.BytesIO(made.values[events[23]]), flights.SCHEMA, None)
    assert isinstance(again, dict)
    assert again["flight_id"] == made.expected.ids[events[23]] == f"{data.later.flight_id[3]}-3"
    assert again["flight"] == data.later.flight[3]


def test_entities_unknown_to_the_feature_store_are_expected_to_be_named(data: Flights) -> None:
    found = tables.found(data.later, data.loaded)
    unknown = [table.isna().all(axis=1) for table in found.values()]
    one = int(np.flatnonzero(unknown[0])[0])
    made = stream.make(1, data.later[one : one + 1].reset_index(drop=True), data.loaded, {"1": MODEL})
    (event,) = np.flatnonzero(made.flight != NO_FLIGHT)
    assert made.expected.missing[event] == sum(int(gone[one]) << bit for bit, gone in enumerate(unknown))


def test_outcomes_are_those_of_the_flights(data: Flights) -> None:
    made = stream.make(30, data.later[:10], data.loaded, {"1": MODEL})
    events = np.flatnonzero(made.flight != NO_FLIGHT)
    assert made.late(events) == pytest.approx(np.tile(data.later.late[:10], 3), nan_ok=True)
