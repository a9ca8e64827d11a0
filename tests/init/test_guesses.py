"""Where names and types mislead, a column is left open: a wrong guess is worse than none."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from scorer.avro import Schema
from scorer.init.configuration import Known, configuration
from scorer.init.decide import decide
from scorer.init.features import holders
from scorer.init.found import Guess, Wanted
from scorer.init.patterns import chosen, patterns
from scorer.init.samples import Samples
from scorer.init.templates import Templates
from scorer.store.redis.explore import Stored

AT = {"type": "long", "logicalType": "timestamp-millis"}
DAY = {"type": "int", "logicalType": "date"}
Fields = Mapping[str, Any]


def record(name: str, **fields: Any) -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": [{"name": key, "type": kind} for key, kind in fields.items()]}


def guesses(
    columns: Sequence[str | Wanted],
    fields: Fields,
    tmp_path: Path,
    hashes: Mapping[str, Mapping[str, str]] | None = None,
    events: Sequence[Mapping[str, Any]] = (),
) -> list[Guess]:
    """Return the answers for columns of a model, given an event's fields, hashes and sample events."""
    schema = Schema.parse(json.dumps(record("Event", **fields)), "event.avsc")
    samples = Samples()
    if events:
        (tmp_path / "events.jsonl").write_text("".join(json.dumps(each) + "\n" for each in events))
        samples = Samples.read(tmp_path / "events.jsonl", schema)
    stored = {key: Stored("hash", fields=dict(values)) for key, values in (hashes or {}).items()}
    wanted = [Wanted(each) if isinstance(each, str) else each for each in columns]
    found = patterns(stored, {key: stored[key] for key in chosen(stored)})
    templates = Templates(schema, samples, lambda keys: sum(key.decode() in stored for key in keys))
    return decide(wanted, schema.fields, samples, holders(wanted, found, templates))


def only(column: str | Wanted, fields: Fields, tmp_path: Path, **seen: Any) -> Guess:
    (guess,) = guesses([column], fields, tmp_path, **seen)
    return guess


def numbered(prefix: str, count: int = 20, **fields: str) -> dict[str, dict[str, str]]:
    return {f"{prefix}{number}": dict(fields) for number in range(1, count + 1)}


@pytest.mark.parametrize(
    ("column", "fields", "source"),
    [
        ("amount", {"amount": "double"}, "amount"),
        ("trip_distance", {"tripDistance": "double"}, "tripDistance"),
        ("tripDistance", {"trip_distance": "double"}, "trip_distance"),
        ("riderRating", {"rider": record("Rider", rating="float")}, "rider.rating"),
        ("rating", {"rider": record("Rider", rating="float")}, "rider.rating"),
        ("rider.rating", {"rider": ["null", record("Rider", rating="float")]}, "rider.rating"),
        ("HTTPStatus", {"http_status": "int"}, "http_status"),
        ("amount", {"amount": "double", "refund": record("Refund", amount="double")}, "amount"),
        ("user_id", {"user_id": "long", "userId": "long"}, "user_id"),
        ("hour", {"at": AT}, "hour of at"),
        ("hour_of_day", {"at": AT, "due": DAY}, "hour of at"),
        ("dayOfWeek", {"local_date": DAY}, "weekday of local_date"),
        ("due_day_of_week", {"due": DAY}, "weekday of due"),
        ("pickup_hour", {"pickup_at": AT, "dropoff_at": AT}, "hour of pickup_at"),
        ("hour_of_pickup", {"trip": record("Trip", pickup=AT, dropoff=AT)}, "hour of trip.pickup"),
        ("hour", {"hour": "int", "at": AT}, "hour"),
        (Wanted("hour", splits=(1, 5.5, 23)), {"at": AT}, "hour of at"),
        (Wanted("weekday", splits=(1, 6)), {"at": AT}, "weekday of at"),
    ],
)
def test_columns_with_telling_names_are_placed(
    column: str | Wanted, fields: Fields, source: str, tmp_path: Path
) -> None:
    guess = only(column, fields, tmp_path)
    assert (str(guess.source), guess.open) == (source, "")


@pytest.mark.parametrize(
    ("column", "fields", "named"),
    [
        ("rating", {"rider": record("R", rating="float"), "driver": record("D", rating="float")}, "driver.rating"),
        ("userid", {"user_id": "long", "userId": "long"}, "userId"),
        ("hour", {"created": AT, "updated": AT}, "updated"),
        ("arrival_hour", {"departure_time": AT}, ""),
        ("hour", {"last_login_at": AT}, "part: hour"),
        ("hour", {"requested_at": AT, "expires_at": AT}, "part: hour"),
        ("weekday", {"birth_date": DAY}, "part: weekday"),
        ("weekday", {"delivery_date": DAY}, "part: weekday"),
        ("hour", {"due": DAY}, ""),
        ("hour_sin", {"at": AT}, ""),
        ("year", {"at": AT}, "part: year"),
        ("week", {"at": AT}, "part: week"),
        ("day", {"at": AT}, "part: day"),
        (Wanted("hour", splits=(6.25, 17.5)), {"at": AT}, "part: hour"),
        (Wanted("hour", splits=(6, 48)), {"at": AT}, "part: hour"),
        (Wanted("weekday", splits=(2, 7)), {"at": AT}, "part: weekday"),
        (Wanted("weekday", splits=(2, 6)), {"at": AT}, "part: weekday"),
        (Wanted("month", splits=(1, 7)), {"at": AT}, "part: month"),
        ("at", {"at": AT}, "event: at"),
        ("payload", {"payload": "bytes"}, "event: payload"),
        (Wanted("is_new", splits=(0.5, 3)), {"is_new": "boolean"}, "event: is_new"),
        (Wanted("zone", categorical=True), {"zone": "int"}, "event: zone"),
        (Wanted("zone", categories=("a", "b")), {"zone": "int"}, "event: zone"),
        (Wanted("zone", categories=(1, 2)), {"zone": "string"}, "event: zone"),
        (Wanted("zone", categories=(1, 2)), {"zone": "double"}, "event: zone"),
        (
            Wanted("os", categories=("iOS", "Linux")),
            {"os": {"type": "enum", "name": "Os", "symbols": ["IOS", "LINUX"]}},
            "event: os",
        ),
        (Wanted("f0", named=False), {"f0": "double"}, ""),
        ("tags", {"tags": {"type": "array", "items": "double"}}, ""),
        ("ratio", {"amount": "double"}, ""),
    ],
)
def test_columns_with_ambiguous_names_are_open(
    column: str | Wanted, fields: Fields, named: str, tmp_path: Path
) -> None:
    guess = only(column, fields, tmp_path)
    assert guess.open
    assert named in "; ".join(guess.candidates)


@pytest.mark.parametrize(
    ("field", "line"),
    [
        ("at", "  time: at  # guess: the only timestamp of the event"),
        ("expires_at", "  # open: time: the timestamp of an event: expires_at; without it, the record's"),
        ("account.createdAt", "  # open: time: the timestamp of an event: account.createdAt; without it, the record's"),
    ],
)
def test_a_time_other_than_that_of_the_event_is_not_its_time(field: str, line: str) -> None:
    outer, _, inner = field.rpartition(".")
    fields = {outer: record("Outer", **{inner: AT})} if outer else {inner: AT}
    schema = Schema.parse(json.dumps(record("Event", **fields)), "event.avsc")
    known = Known("model", schema, Path("event.avsc"), None, None, None, Path())
    assert line in configuration(known).splitlines()


def test_text_without_categories_in_the_model_is_half_open(tmp_path: Path) -> None:
    symbols = {"type": "enum", "name": "Slot", "symbols": ["top", "side"]}
    text, enum = guesses(
        ["os", "slot"], {"os": "string", "slot": symbols}, tmp_path, events=[{"os": "x", "slot": "top"}]
    )
    assert (str(text.source), str(enum.source)) == ("os", "slot")
    assert "sample events have x" in text.open
    assert "its symbols are top, side" in enum.open


def test_the_categories_of_the_model_are_used(tmp_path: Path) -> None:
    text, number = guesses(
        [Wanted("os", categories=("b", "a")), Wanted("zone", categories=(30, 10))],
        {"os": "string", "zone": "int"},
        tmp_path,
        events=[{"os": "a", "zone": 10}],
    )
    assert not text.open
    assert text.source is not None
    assert text.source.categories == ("b", "a")
    assert number.source is not None
    assert number.source.categories == (30, 10)


def test_a_column_whose_categories_no_event_has_is_open(tmp_path: Path) -> None:
    guess = only(Wanted("os", categories=("a", "b")), {"os": "string"}, tmp_path, events=[{"os": "A"}] * 3)
    assert "no sample event has one of the model's categories" in guess.open


def test_a_different_unit_is_detected(tmp_path: Path) -> None:
    events = [{"price": number + 0.5} for number in range(30)]
    cents, euros = (Wanted("price", splits=splits) for splits in ((900.0, 2_500.0), (9.0, 25.0)))
    assert "the model divides at 900 to 2500" in only(cents, {"price": "double"}, tmp_path, events=events).open
    assert not only(euros, {"price": "double"}, tmp_path, events=events).open


def test_events_decide_between_two_times_if_only_one_explains_the_model(tmp_path: Path) -> None:
    fields = {"created": AT, "shipped": AT}
    hour = Wanted("hour", splits=tuple(float(hour) for hour in range(1, 24)))
    events = [{"created": number * 3_600_000, "shipped": number % 8 * 3_600_000} for number in range(240)]
    assert str(only(hour, fields, tmp_path, events=events).source) == "hour of created"
    few = only(hour, fields, tmp_path, events=events[:30])
    assert few.open == "2 candidates"
    both = [{"created": number * 3_600_000, "shipped": (number + 1) * 3_600_000} for number in range(240)]
    assert only(hour, fields, tmp_path, events=both).open == "2 candidates"


def test_times_that_are_always_equal_count_as_one(tmp_path: Path) -> None:
    events = [{"created": number * 3_600_000, "stored": number * 3_600_000} for number in range(60)]
    assert not only("hour", {"created": AT, "stored": AT}, tmp_path, events=events).open


@pytest.mark.parametrize(
    ("keys", "template"),
    [
        (numbered("driver:", score="1"), "driver:{driver_id}"),
        (numbered("drivers:", score="1"), "drivers:{driver_id}"),
        (numbered("feat/v1/driver/", score="1"), "feat/v1/driver/{driver_id}"),
        (numbered("driver_", score="1"), "driver_{driver_id}"),
        (numbered("driver_stats_7d:", score="1"), "driver_stats_7d:{driver_id}"),
        ({f"driver:{{{number}}}:stats": {"score": "1"} for number in range(9)}, "driver:{{{driver_id}}}:stats"),
        (
            {f"x:{number}": {"driver_id": str(number), "score": "1"} for number in range(9)},
            "x:{driver_id}",
        ),
        (
            {f"driver:{number}:{kind}": {kind: "1"} for number in range(9) for kind in ("score", "text")},
            "driver:{driver_id}:score",
        ),
    ],
)
def test_a_key_template_is_inferred_from_the_keys(
    keys: Mapping[str, Mapping[str, str]], template: str, tmp_path: Path
) -> None:
    fields = {"driver_id": "long", "rider_id": "long", "city": "string"}
    schema = Schema.parse(json.dumps(record("Event", **fields)), "event.avsc")
    stored = {key: Stored("hash", fields=dict(values)) for key, values in keys.items()}
    templates = Templates(schema, Samples(), lambda _: None)
    (holder,) = holders([Wanted("score")], patterns(stored, stored), templates)
    assert holder.usable
    assert getattr(holder.found, "text", "") == template
    assert not only("score", fields, tmp_path, hashes=keys).open


IDS = {"driver_id": "long", "rider_id": "long", "seats": "int"}


@pytest.mark.parametrize(
    ("fields", "keys", "why"),
    [
        (IDS, numbered("x:", score="1"), "no event field is named like it"),
        (IDS, numbered("session:", score="1"), "no event field is named like it"),
        (IDS, numbered("driver_order:", score="1"), "no event field is named like it"),
        (IDS, {f"day:{20260101 + number}": {"score": "1"} for number in range(9)}, "no event field is named like it"),
        (
            {"origin": {"type": "enum", "name": "O", "symbols": ["EWR", "JFK", "LGA"]}, "dest": "string"},
            {f"airport:{name}": {"score": "1"} for name in ("EWR", "JFK")},
            "no event field is named like it",
        ),
        (IDS, numbered("driver:a", score="1"), "no event field has texts like those in the keys"),
        (IDS, {"driver:1": {"score": "1"}}, "no field has this name"),
        (IDS, numbered("driver:", score="high"), "have no number in it"),
        (IDS, numbered("driver:", score="1") | numbered("staging:driver:", score="1"), "2 candidates"),
        (IDS, numbered("driver:", score="1") | numbered("rider:", score="1"), "2 candidates"),
        ({**IDS, "driver": record("D", id="long")}, numbered("driver:", score="1"), "no event field is named like it"),
        (
            {"driver_id": "long", "tenant": {"type": "enum", "name": "T", "symbols": ["acme", "evil"]}},
            numbered("driver:acme:", score="1"),
            "'acme', which may be a field",
        ),
        ({"a_id": "long", "b_id": "long"}, {f"a_b:{n}:{n + 1}": {"score": "1"} for n in range(9)}, "is named like it"),
    ],
)
def test_ambiguous_keys_leave_a_column_open(
    fields: Fields, keys: Mapping[str, Mapping[str, str]], why: str, tmp_path: Path
) -> None:
    guess = only("score", fields, tmp_path, hashes=keys)
    assert why in guess.open


def test_a_name_in_the_event_and_in_redis_is_open(tmp_path: Path) -> None:
    guess = only("seats", IDS, tmp_path, hashes=numbered("driver:", seats="4"))
    assert guess.open == "2 candidates"
    assert list(guess.candidates) == ["event: seats", "entity: driver, field: seats"]


def test_hashes_without_a_known_key_do_not_compete_with_the_event(tmp_path: Path) -> None:
    assert str(only("seats", IDS, tmp_path, hashes=numbered("session:", seats="4")).source) == "seats"


def test_a_part_of_a_time_and_a_feature_of_its_name_are_open(tmp_path: Path) -> None:
    fields = {"plane_id": "long", "at": AT}
    assert only("year", fields, tmp_path, hashes=numbered("plane:", year="1999")).open == "2 candidates"
    assert only("hour", fields, tmp_path, hashes=numbered("plane:", hour="12")).open == "2 candidates"


def test_two_columns_never_have_the_same_source(tmp_path: Path) -> None:
    fields = {"rider": record("Rider", rating="float"), "amount": "double", "pickup_at": AT, "driver_id": "long"}
    columns = ["rating", "rider_rating", "Amount", "AMOUNT", "hour", "pickup_hour", "trips", "driver_trips"]
    found = guesses(columns, fields, tmp_path, hashes=numbered("driver:", trips="4"))
    assert [guess.wanted.name for guess in found if not guess.open] == ["rider_rating", "pickup_hour", "driver_trips"]
    assert found[0].open == "it would be the same as rider_rating"


def test_a_hash_with_an_unknown_key_competes_with_a_merely_likely_source(tmp_path: Path) -> None:
    fields = {"rider": record("Rider", rating="float"), "at": AT, "seats": "int"}
    found = guesses(
        ["rating", "hour", "seats"], fields, tmp_path, hashes=numbered("x:", rating="4", hour="9", seats="2")
    )
    assert [guess.open for guess in found] == ["2 candidates", "2 candidates", ""]


def events_of(count: int = 40) -> list[dict[str, int]]:
    return [
        {"driver_id": 1 + number % 20, "rider_id": 900 + number, "seats": 1 + number % 4} for number in range(count)
    ]


def test_keys_of_events_prove_a_field_that_no_name_suggests(tmp_path: Path) -> None:
    events = [{**each, "seats": 30 + each["seats"]} for each in events_of()]
    guess = only("score", IDS, tmp_path, hashes=numbered("x:", score="1"), events=events)
    assert str(guess.source) == "x.score"
    assert guess.confidence == "high"


def test_small_numbers_match_anywhere_and_prove_nothing(tmp_path: Path) -> None:
    guess = only("score", IDS, tmp_path, hashes=numbered("x:", score="1"), events=events_of())
    assert "several fields make keys that are in Redis" in guess.open


def test_a_name_that_no_event_confirms_is_open(tmp_path: Path) -> None:
    events = [{**each, "driver_id": 5_000 + each["driver_id"]} for each in events_of()]
    guess = only("score", IDS, tmp_path, hashes=numbered("driver:", score="1"), events=events)
    assert "none of 20 keys of sample events is in Redis" in guess.open


def test_a_name_that_few_events_confirm_is_open(tmp_path: Path) -> None:
    events = [{**each, "driver_id": 18 + number} for number, each in enumerate(events_of())]
    guess = only("score", IDS, tmp_path, hashes=numbered("driver:", score="1"), events=events)
    assert "only 3 of 30 keys of sample events are in Redis" in guess.open


def test_a_name_that_events_contradict_is_open(tmp_path: Path) -> None:
    events = [{"driver_id": 19 + number, "rider_id": 1 + number % 20, "seats": 50} for number in range(40)]
    guess = only("score", IDS, tmp_path, hashes=numbered("driver:", score="1"), events=events)
    assert "its name and the sample events disagree" in guess.open


def test_a_different_unit_in_redis_is_detected(tmp_path: Path) -> None:
    hashes = {f"driver:{number}": {"wait": f"{number}.5"} for number in range(1, 31)}
    assert (
        "hashes looked at have 1.5 to 30.5"
        in only(Wanted("wait", splits=(4_000.0, 9_000.0)), IDS, tmp_path, hashes=hashes).open
    )
