"""Whatever way an event comes in, its prediction is the one that `scorer score` writes for a file, bit for bit."""

import json
import math
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scorer.api.source import open_source
from scorer.avro import Converter, prediction_json
from scorer.cli import main
from scorer.serving.offline import Offline
from scorer.store import stored
from tests.api.example import row
from tests.api.test_equality import ROWS
from tests.rest.served import Served, ask

NOW = re.compile(rb'"scored_at": "[^"]+"')


def plain(value: Any) -> Any:
    """A value of a row as JSON."""
    match value:
        case datetime() | date() | time():
            return value.isoformat()
        case Decimal():
            return str(value)
        case bytes():
            return b64encode(value).decode()
        case float() if not math.isfinite(value):
            return "NaN" if math.isnan(value) else f"{'-' if value < 0 else ''}Infinity"
        case dict():
            return {name: plain(item) for name, item in value.items()}
        case _:
            return value


def without_time(text: bytes) -> bytes:
    return NOW.sub(b"", text)


def test_an_answer_has_the_very_text_that_the_command_writes(
    parcels: Served, parcels_config: Path, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    rows = [row(), row(id="p2", amount=math.nan), row(country="US"), row(country="Åland", discount=None)]
    rows += [
        row(country="FR"),
        row(details=None, pieces=None),
        row(id="é'\"\\", amount=1e300),
        row(day=date(1970, 1, 1)),
    ]
    events = [plain(each) for each in rows]
    source = tmp_path / "events.jsonl"
    source.write_text("\n".join(map(json.dumps, events)))
    assert main(["score", "-c", str(parcels_config), "--input", str(source)]) == 0
    expected = [without_time(line) for line in capsysbinary.readouterr().out.splitlines()]
    assert len(expected) == len(events)
    assert {bool(json.loads(line.replace(b", ,", b","))["missing"]) for line in expected} == {True, False}
    for event, line in zip(events, expected, strict=True):
        reply = parcels.ask("/score", event)
        if b'"reason"' in line:
            assert reply.status == 422
            assert reply.json["errors"][0]["reason"] == json.loads(line.replace(b", ,", b","))["reason"]
        else:
            assert (reply.status, without_time(reply.body)) == (200, line)
    together = parcels.ask("/score", events)
    assert together.status == 200
    assert without_time(together.body) == b"[" + b", ".join(expected) + b"]"


def test_every_row_gets_the_prediction_of_a_file(parcels: Served, parcels_config: Path) -> None:
    serving, lookups = open_source(parcels_config, None, None, None)
    assert lookups is not None
    offline, converter = Offline(serving, lookups.fetch), Converter(serving.schema)
    connection = parcels.connect()

    @settings(max_examples=60)
    @given(rows=ROWS)
    def equal(rows: list[dict[str, Any]]) -> None:
        events = [plain(each) for each in rows]
        found = ask(connection, "/score", events).json
        expected = predicted(offline, [converter.to_avro(event, "") for event in events])
        assert [_timeless(each) for each in found] == [_timeless(each) for each in expected]

    equal()
    connection.close()
    lookups.close()


def predicted(offline: Offline, bodies: Sequence[bytes]) -> list[dict[str, object]]:
    """Return what `scorer score` writes for events."""
    return [prediction for outcome in offline.outcomes(bodies) for prediction in prediction_json(outcome)]


def _timeless(prediction: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in prediction.items() if name != "scored_at"}


FEATURES = st.fixed_dictionaries(
    {},
    optional={
        "shop": st.fixed_dictionaries({}, optional={"sales": st.floats(-1e30, 1e30), "share": st.just(0.25)}),
        "day": st.none() | st.fixed_dictionaries({"rain": st.floats(-1e30, 1e30), "heat": st.none()}),
    },
)


def test_features_beside_an_event_count_as_if_they_were_in_the_store(parcels: Served, parcels_config: Path) -> None:
    """Rows of one request share keys, but each has the features that came with it, or else those of Redis."""
    serving, lookups = open_source(parcels_config, None, None, None)
    assert lookups is not None
    converter, connection = Converter(serving.schema), parcels.connect()

    def expected(event: Mapping[str, Any], features: Mapping[str, Any] | None) -> dict[str, object]:
        def fetch(requests: Sequence[Any], now: float) -> list[Any]:
            looked_up = lookups.fetch(requests, now)
            return [
                stored(each.entity, [(features or {})[each.entity.name] or {}] * len(each.keys), None)
                if each.entity.name in (features or {})
                else reply
                for each, reply in zip(requests, looked_up, strict=True)
            ]

        (prediction,) = predicted(Offline(serving, fetch), [converter.to_avro(event, "")])
        return _timeless(prediction)

    @settings(max_examples=60)
    @given(given_features=st.lists(st.none() | FEATURES, min_size=1, max_size=6))
    def equal(given_features: list[dict[str, Any] | None]) -> None:
        event = plain(row())
        sent = [event if each is None else event | {"features": each} for each in given_features]
        found = ask(connection, "/score", sent).json
        assert [_timeless(each) for each in found] == [expected(event, each) for each in given_features]

    equal()
    connection.close()
    lookups.close()
