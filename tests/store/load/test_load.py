"""Events find the loaded features, and problems of the file are reported before anything is written."""

import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from scorer.batch import Lookup
from scorer.documents.files import LONGEST_LINE
from scorer.errors import Misconfigured, Unavailable
from scorer.plan.keys import KeyTemplate
from scorer.plan.plan import Entity, Plan
from scorer.scoring.keyring import Keyring
from scorer.store.load.cells import key_text
from scorer.store.load.load import Loaded, find_entity, load_file
from scorer.store.protocol import Request
from scorer.store.redis.connect import connect
from tests.scoring.batches import FIELDS, events
from tests.store.redis.servers import Fake, answers

PLENTY_MS = 30_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

PLANE = Entity("plane", KeyTemplate.parse("plane:{tailnum}"), "hash", ("seats", "engines"))
CARD = Entity("card", KeyTemplate.parse("card:{card.number}"), "hash", ("spend",), max_age=60.0, updated="updated_at")
WEATHER = Entity("weather", KeyTemplate.parse("w:{origin}:{departure|%Y%m%d%H}"), "packed", ("temp", "wind"))


@pytest.fixture
def client(redis_url: str) -> redis.Redis:
    return redis.Redis.from_url(redis_url)


def load(url: str, entity: Entity, file: Path, text: str) -> Loaded:
    file.write_text(text, "utf-8")
    return load_file(entity, FIELDS, file, url, lambda _: None)


def refused(entity: Entity, file: Path, text: str) -> list[str]:
    with pytest.raises(Misconfigured) as caught:
        load("redis://127.0.0.1:1", entity, file, text)
    return [str(problem) for problem in caught.value.problems]


def fetched(url: str, entity: Entity, keys: Sequence[bytes]) -> tuple[list[list[float]], list[Lookup]]:
    store = connect(url, PLENTY_MS)
    (reply,) = store.fetch([Request(entity, keys)], time.time())
    store.close()
    return reply.values.tolist(), [Lookup(state) for state in reply.results.tolist()]


def test_a_hash_is_loaded_from_csv(redis_url: str, client: redis.Redis, tmp_path: Path) -> None:
    client.hset("plane:N1", mapping={"seats": "1", "engines": "9", "kept": "yes"})
    text = '\ufefftailnum,seats,engines\nN1, 1_80 ,\n"N,2",1e2,true\n\nÉ,,\n'
    assert load(redis_url, PLANE, tmp_path / "f.csv", text) == Loaded(3, ())
    assert client.hgetall("plane:N1") == {b"seats": b"1_80", b"kept": b"yes"}
    assert client.hgetall("plane:N,2") == {b"seats": b"1e2", b"engines": b"1"}
    assert client.hgetall("plane:É") == {}
    values, lookup = fetched(redis_url, PLANE, [b"plane:N,2", "plane:É".encode()])
    assert values[0] == [100, 1]
    assert lookup == [Lookup.HIT, Lookup.MISSING]


def test_a_hash_is_loaded_from_jsonl(redis_url: str, client: redis.Redis, tmp_path: Path) -> None:
    lines = [
        '{"tailnum": "N1", "seats": 0.1234567890123456789, "engines": null}',
        '{"tailnum": "N2", "seats": "12", "engines": NaN}',
        '{"tailnum": "N3", "engines": false, "other": 1}',
    ]
    loaded = load(redis_url, PLANE, tmp_path / "f.jsonl", "\n".join(lines) + "\n\n")
    assert loaded == Loaded(3, ("ignored columns that are not in the plan: other",))
    assert client.hgetall("plane:N1") == {b"seats": b"0.1234567890123456789"}
    assert client.hgetall("plane:N2") == {b"seats": b"12", b"engines": b"NaN"}
    assert client.hgetall("plane:N3") == {b"engines": b"0"}


def test_packed_values_with_times_in_their_keys_are_loaded(redis_url: str, client: redis.Redis, tmp_path: Path) -> None:
    text = (
        "origin,departure,temp,wind\nJFK,2013-01-02T05:59:59Z,1.5,\nEWR,2013-01-02 01:30:00-05:00,-2,0.1\n"
        f"LGA,{1357106400_000},3,4\n"
    )
    assert load(redis_url, WEATHER, tmp_path / "f.csv", text).lines == 3
    assert client.strlen("w:JFK:2013010205") == 8
    values, lookup = fetched(redis_url, WEATHER, [b"w:JFK:2013010205", b"w:EWR:2013010206", b"w:LGA:2013010206"])
    np.testing.assert_array_equal(values, [[1.5, np.nan], [-2, float(np.float32(0.1))], [3, 4]])
    assert lookup == [Lookup.HIT] * 3
    client.hset("w:JFK:2013010205x", mapping={"a": 1})


def test_update_times_are_loaded_or_set_to_the_current_time(
    redis_url: str, client: redis.Redis, tmp_path: Path
) -> None:
    before = time.time()
    loaded = load(redis_url, CARD, tmp_path / "f.csv", "card.number,spend\n7,1.5\n8,2\n")
    assert loaded.notes == ("2 lines have no 'updated_at', so the current time was used",)
    assert before <= float(client.hget("card:7", "updated_at") or 0) <= time.time()
    assert fetched(redis_url, CARD, [b"card:7"]) == ([[1.5]], [Lookup.HIT])

    text = (
        "card.number,spend,updated_at\n7,1.5,2020-01-01T00:00:00Z\n8,2,1577836800.5\n+09,3,2020-01-01T01:00:00+01:00\n"
    )
    assert load(redis_url, CARD, tmp_path / "f.csv", text).notes == ()
    changed = [float(client.hget(f"card:{number}", "updated_at") or 0) for number in (7, 8, 9)]
    assert changed == [1577836800, 1577836800.5, 1577836800]
    assert fetched(redis_url, CARD, [b"card:7"])[1] == [Lookup.STALE]

    lines = '{"card.number": 7, "spend": 1}\n{"card.number": 8, "spend": 1, "updated_at": 1577836800}\n'
    assert load(redis_url, CARD, tmp_path / "f.jsonl", lines).notes[0].startswith("1 lines have no")
    assert fetched(redis_url, CARD, [b"card:7", b"card:8"])[1] == [Lookup.HIT, Lookup.STALE]


def test_many_lines_are_written_in_chunks(redis_url: str, client: redis.Redis, tmp_path: Path) -> None:
    told: list[int] = []
    file = tmp_path / "f.csv"
    file.write_text("tailnum,seats,engines\n" + "".join(f"N{number},{number},2\n" for number in range(2500)))
    assert load_file(PLANE, FIELDS, file, redis_url, told.append).lines == 2500
    assert told == [1000, 2000, 2500]
    assert client.dbsize() == 2500
    values, _ = fetched(redis_url, PLANE, [b"plane:N%d" % number for number in range(2500)])
    assert [row[0] for row in values] == list(range(2500))


def test_every_problem_names_line_and_column_and_nothing_is_written(
    redis_url: str, client: redis.Redis, tmp_path: Path
) -> None:
    text = "tailnum,seats,engines\nN1,1,2\n,many,2\nN3,4\nN4,1,2 2\n"
    with pytest.raises(Misconfigured) as caught:
        load(redis_url, PLANE, tmp_path / "f.csv", text)
    assert list(map(str, caught.value.problems)) == [
        "f.csv: line 3, column 'tailnum': ''; expected a value, which the key needs",
        "f.csv: line 3, column 'seats': 'many'; expected a number, or nothing",
        "f.csv: line 4: 2 cells; expected 3, as in the header",
        "f.csv: line 5, column 'engines': '2 2'; expected a number, or nothing",
    ]
    assert client.dbsize() == 0


def test_many_problems_are_counted(tmp_path: Path) -> None:
    problems = refused(PLANE, tmp_path / "f.csv", "tailnum,seats,engines\n" + "N1,x,1\n" * 500)
    assert len(problems) == 21
    assert problems[-1] == "f.csv: 500 lines have problems; only the first ones are shown"


@pytest.mark.parametrize(
    ("entity", "cells", "expected"),
    [
        (WEATHER, {"departure": "soon"}, "column 'departure': 'soon'; expected a timestamp in ISO 8601"),
        (WEATHER, {"departure": "9" * 25}, "expected a timestamp"),
        (WEATHER, {"temp": "1e39"}, "expected a number that fits float32"),
        (CARD, {"card.number": "7.0"}, "column 'card.number': '7.0'; expected a whole number"),
        (CARD, {"updated_at": "yesterday"}, "expected Unix seconds, or a time in ISO 8601"),
        (CARD, {"updated_at": ""}, "expected Unix seconds"),
        (CARD, {"updated_at": "nan"}, "expected Unix seconds"),
    ],
)
def test_a_misfit_is_reported(entity: Entity, cells: dict[str, str], expected: str, tmp_path: Path) -> None:
    good = {
        "weather": {"origin": "JFK", "departure": "2013-01-01T00:00:00Z", "temp": "1", "wind": ""},
        "card": {"card.number": "7", "spend": "1", "updated_at": "1577836800"},
    }[entity.name]
    (problem,) = refused(entity, tmp_path / "f.jsonl", json.dumps(good | cells) + "\n")
    assert problem.startswith("f.jsonl: line 1, column ")
    assert expected in problem


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("f.csv", "tailnum,seat,engines\nN1,1,2\n", "f.csv: no column 'seats'; did you mean 'seat'?"),
        ("f.csv", "a,a\n1,2\n", "expected distinct column names"),
        ("f.csv", "", "expected distinct column names"),
        ("f.csv", 'tailnum,seats,engines\nN1,"1,2\n', "f.csv"),
        ("f.jsonl", '{"tailnum": "N1"}\n', "f.jsonl: no column 'seats'"),
        ("f.jsonl", "N1\n", "line 1: not JSON"),
        ("f.jsonl", "[" * 100_000 + "\n", "line 1: not JSON"),
        ("f.jsonl", "[1]\n", "line 1: not an object"),
        ("f.jsonl", '{"tailnum": "N1", "seats": [1], "engines": 1}\n', "column 'seats' is a list"),
        ("f.json", "{}", "unknown kind of file '.json'; expected .csv or .jsonl"),
    ],
)
def test_a_missing_file_is_reported(name: str, text: str, expected: str, tmp_path: Path) -> None:
    assert expected in "\n".join(refused(PLANE, tmp_path / name, text))


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_a_line_without_an_end_is_not_read_to_its_end(ending: str, tmp_path: Path) -> None:
    file = tmp_path / f"f.{ending}"
    with file.open("wb") as out:
        out.truncate(LONGEST_LINE + 2)
    with pytest.raises(Misconfigured, match=rf"f\.{ending}: line 1: has more than 16,777,216 characters"):
        load_file(PLANE, FIELDS, file, "redis://127.0.0.1:1", lambda _: None)


def test_values_that_no_event_can_have_are_reported_in_short(tmp_path: Path) -> None:
    (half,) = refused(PLANE, tmp_path / "f.jsonl", '{"tailnum": "\\ud800", "seats": 1, "engines": 1}')
    assert half == "f.jsonl: line 1, column 'tailnum': '\\ud800'; expected text that UTF-8 can hold"
    (long,) = refused(PLANE, tmp_path / "f.csv", "tailnum,seats,engines\nN1," + "x" * 100_000 + ",1\n")
    assert long.endswith("xxx'...; expected a number, or nothing")
    assert len(long) < 200
    (early,) = refused(CARD, tmp_path / "f.csv", "card.number,spend,updated_at\n1,1,0001-01-01T00:00:00+23:59\n")
    assert early.endswith("expected Unix seconds, or a time in ISO 8601")


def test_an_unreadable_file_is_reported(tmp_path: Path) -> None:
    for file, expected in ((tmp_path / "none.csv", "No such file"), (tmp_path / "latin.csv", "UTF-8")):
        if file.name == "latin.csv":
            file.write_bytes(b"tailnum,seats,engines\n\xe9,1,2\n")
        with pytest.raises(Misconfigured, match=expected):
            load_file(PLANE, FIELDS, file, "redis://127.0.0.1:1", lambda _: None)


def test_a_failed_load_reports_how_many_lines_were_written(redis_url: str, client: redis.Redis, tmp_path: Path) -> None:
    client.set("plane:N1500", "a string")
    text = "tailnum,seats,engines\n" + "".join(f"N{number},1,2\n" for number in range(2000))
    with pytest.raises(Unavailable, match=r"plane:N1500.* WRONGTYPE .*; at least 1,000 lines were written"):
        load(redis_url, PLANE, tmp_path / "f.csv", text)
    with (
        Fake(answers(b"-READONLY no\r\n" * 1000)) as server,
        pytest.raises(Unavailable, match=r"READONLY .*at least 0 lines"),
    ):
        load(server.url, PLANE, tmp_path / "f.csv", text)
    with pytest.raises(Unavailable, match=r"127.0.0.1:1\b.*at least 0 lines"):
        load("redis://127.0.0.1:1", PLANE, tmp_path / "f.csv", text)


KEYED = st.fixed_dictionaries(
    {
        "tailnum": st.text(st.characters(codec="utf-8"), min_size=1),
        "card.number": st.integers(-(1 << 63), (1 << 63) - 1),
        "paid": st.booleans(),
        "class": st.sampled_from(["economy", "first"]),
        "day": st.integers(-700_000, 2_900_000),
        "gate_closes": st.integers(0, 86_399_999),
        "departure": st.integers(-62_000_000_000_000, 250_000_000_000_000),
        "seen": st.integers(-62_000_000_000_000_000, 250_000_000_000_000_000),
        "measured": st.integers(-(1 << 63), (1 << 63) - 1),
    }
)
TEMPLATE = KeyTemplate.parse(
    "{tailnum}|{card.number}|{paid}|{class}|{day|%Y%m%d}|{gate_closes|%H%M%S%f}|{departure|%c}"
    "|{seen|%Y-%j %T.%f}|{measured|%d%H%M%S}"
)


@given(KEYED, st.booleans())
def test_a_line_has_the_key_that_an_event_requests(values: dict[str, int | str | bool], iso: bool) -> None:  # noqa: FBT001  drawn
    _, (asked,) = Keyring(TEMPLATE, FIELDS).keys(events([values]), np.array([True]))
    cells = {name: str(value) for name, value in values.items()}
    if iso:
        cells |= {
            "day": (EPOCH + timedelta(days=int(values["day"]))).date().isoformat(),
            "gate_closes": (EPOCH + timedelta(milliseconds=int(values["gate_closes"]))).time().isoformat(),
            "departure": (EPOCH + timedelta(milliseconds=int(values["departure"]))).isoformat(),
            "seen": (EPOCH + timedelta(microseconds=int(values["seen"]))).isoformat().replace("+00:00", "Z"),
        }
    assert TEMPLATE.fill(key_text(cells[part.path], part, FIELDS[part.path]) for part in TEMPLATE.parts) == asked


def test_an_entity_is_found_by_its_name() -> None:
    plan = Plan("plan.yaml", (PLANE, CARD), ())
    assert find_entity(plan, "card") is CARD
    with pytest.raises(Misconfigured, match=r"plan.yaml: no entity 'plan'; did you mean 'plane'\?; it has plane, card"):
        find_entity(plan, "plan")
    with pytest.raises(Misconfigured, match="it has no entities"):
        find_entity(Plan("plan.yaml", (), ()), "plane")
