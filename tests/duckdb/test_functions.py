"""The functions score as `scorer score` does, whatever the query; what a query has wrong is told at once."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
import yaml
from pyarrow import parquet

import scorer
import scorer.duckdb
from scorer.cli import main
from scorer.duckdb import Functions
from scorer.errors import Misconfigured
from tests.api.example import ARROW, ODD, SCHEMA, row, store, write_example

EVENTS = [
    *ODD,
    *(row(id=f"f{number}", serial=number, amount=number / 7) for number in range(3_000)),  # more than a chunk
]


@pytest.fixture(params=[0, 3], ids=["number", "classes"])
def config(request: pytest.FixtureRequest, tmp_path: Path, redis_url: str) -> Path:
    store(redis_url)
    return write_example(tmp_path, redis_url, request.param)


@pytest.fixture
def one(tmp_path: Path) -> Path:
    return write_example(tmp_path, None)


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    parquet.write_table(pa.Table.from_pylist(EVENTS, ARROW), tmp_path / "events.parquet")
    with duckdb.connect() as opened:
        opened.execute("SET TimeZone = 'UTC'")
        opened.read_parquet(str(tmp_path / "events.parquet")).create_view("events")
        yield opened


def registered(connection: duckdb.DuckDBPyConnection, *given: Any, **more: Any) -> Functions:
    return scorer.duckdb.register(connection, *given, **more)


def test_a_row_gets_the_score_of_the_event(config: Path, connection: duckdb.DuckDBPyConnection) -> None:
    registered(connection, config)
    rows = connection.execute("SELECT id, score(e), score_error(e) FROM events e").fetchall()
    with scorer.load(config) as model:
        expected = model.score(EVENTS, errors="null")
    assert [(name, score) for name, score, _ in rows] == [(each["event_id"], each["score"]) for each in expected]
    assert [error for _, _, error in rows if error] == [
        f"{each['reason']}: {each['detail']}" for each in expected if each["reason"]
    ]
    assert [name for name, score, _ in rows if score is None] == ["b"]


def test_a_score_may_stand_anywhere_in_a_query(one: Path, connection: duckdb.DuckDBPyConnection) -> None:
    features: dict[str, Any] = {"shop": {}, "day": {}}
    registered(connection, one, features=features)
    above, best = connection.execute(
        "SELECT count(*), max_by(id, score(e)) FROM events e WHERE score(e) > (SELECT avg(score(x)) FROM events x)"
    ).fetchall()[0]
    with scorer.load(one, features=features) as model:
        scores = {each["event_id"]: each["score"] for each in model.score(EVENTS)}
    mean = sum(scores.values()) / len(scores)
    assert above == sum(score > mean for score in scores.values())
    assert scores[best] == max(scores.values())
    assert connection.execute("SELECT score(e) FROM events e WHERE false").fetchall() == []


def test_features_of_a_joined_table_take_the_place_of_those_in_redis(
    config: Path, connection: duckdb.DuckDBPyConnection, redis_url: str
) -> None:
    registered(connection, config)
    connection.execute("CREATE TABLE shops AS SELECT 'DE' AS country, 11.5::FLOAT AS sales, NULL::DOUBLE AS share")
    query = "SELECT score(e, {'shop': s}) FROM events e LEFT JOIN shops s USING (country) ORDER BY e.id"
    got = [score for (score,) in connection.execute(query).fetchall()]
    mapping = store(redis_url) | {"shop": {"shop:DE": {"sales": 11.5}}}
    with scorer.load(config, features=mapping) as model:
        table = model.score(sorted(EVENTS, key=lambda event: event["id"]), errors="null")
    assert got == [each["score"] for each in table]


def test_another_version_is_loaded_when_a_query_asks_for_it(
    one: Path, connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    second = tmp_path / "models/parcels/2"
    second.mkdir()
    plan = yaml.safe_load((tmp_path / "models/parcels/1/plan.yaml").read_text())
    plan["columns"][0] = {"name": "amount", "expression": "0"}
    (second / "plan.yaml").write_text(yaml.safe_dump(plan))
    (second / "model.ubj").write_bytes((tmp_path / "models/parcels/1/model.ubj").read_bytes())
    features: dict[str, Any] = {"shop": {}, "day": {}}
    registered(connection, one, features=features)
    query = (
        "SELECT score(e), score_with('1', e), score_with('2', e), score_with(1 + (e.serial % 2)::INT, e) FROM events e"
    )
    with pytest.raises(duckdb.Error):
        connection.execute(query)  # a version is text
    query = query.replace("1 + (e.serial % 2)::INT", "(1 + e.serial % 2)::VARCHAR")
    rows = connection.execute(query).fetchall()
    assert [now for now, _, _, _ in rows] == [second for _, _, second, _ in rows]  # the latest
    assert any(first != second for _, first, second, _ in rows)
    expected = [(first, second)[event["serial"] % 2] for (_, first, second, _), event in zip(rows, EVENTS, strict=True)]
    assert [mixed for _, _, _, mixed in rows] == expected
    functions = registered(connection, one, features=features)
    with pytest.raises(duckdb.Error, match="3"):
        connection.execute("SELECT score_with('3', e) FROM events e")
    assert isinstance(functions.error, Misconfigured)


def test_an_explanation_has_the_columns_that_moved_the_score(one: Path, connection: duckdb.DuckDBPyConnection) -> None:
    registered(connection, one, features={"shop": {}, "day": {}})
    rows = connection.execute("SELECT explain(e), explain(e, 5) FROM events e LIMIT 20").fetchall()
    with scorer.load(one, features={"shop": {}, "day": {}}, explain=5) as model:
        expected = [each["explanation"] for each in model.score(EVENTS[:20])]
    assert [five for _, five in rows] == expected
    assert [three for three, _ in rows] == [each[:3] for each in expected]


def test_every_missing_column_and_every_wrong_type_is_told_at_once(
    one: Path, connection: duckdb.DuckDBPyConnection
) -> None:
    functions = registered(connection, one, features={"shop": {}, "day": {}})
    connection.execute(
        "CREATE VIEW bad AS SELECT * EXCLUDE (amount, express) REPLACE (1.5 AS serial, 'x' AS day) FROM events"
    )
    with pytest.raises(duckdb.Error, match="amount"):
        connection.execute("SELECT score(b) FROM bad b").fetchall()
    assert functions.error is not None
    told = str(functions.error)
    wrong = "'serial' is decimal128(2, 1); expected integers", "'day' is string; expected DATE: cast it in the query"
    for part in ("no column 'amount'", "no column 'express'", *wrong):
        assert part in told


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("SELECT score(5)", "found INTEGER; expected a row"),
        (
            "SELECT score(e, {'shop': {'sales': 1}, 'shops': e}) FROM events e",
            "features.shops: the plan has no such",
        ),
        ("SELECT score(e, 5) FROM events e", "features: found INTEGER; expected a struct, as in {'shop': p}"),
        ("SELECT score(e, {'shop': 5}) FROM events e", "features.shop: found int32; expected a row of features"),
        ("SELECT score(e, {'shop': {'sales': 'x'}}) FROM events e", "features.shop.sales: found string; expected a"),
    ],
)
def test_a_query_that_makes_no_sense_is_refused(
    one: Path, connection: duckdb.DuckDBPyConnection, query: str, told: str
) -> None:
    functions = registered(connection, one, features={"shop": {}, "day": {}})
    with pytest.raises(duckdb.Error):
        connection.execute(query)
    assert told in str(functions.error)


def test_a_timestamp_without_a_zone_is_refused_where_it_would_be_local(
    one: Path, connection: duckdb.DuckDBPyConnection
) -> None:
    functions = registered(connection, one, features={"shop": {}, "day": {}})
    query = "SELECT score(e) FROM (SELECT * REPLACE (seen::TIMESTAMP AS seen) FROM events) e ORDER BY id"
    plain = connection.execute("SELECT score(e) FROM events e ORDER BY id").fetchall()
    assert connection.execute(query).fetchall() == plain
    connection.execute("SET TimeZone = 'Europe/Berlin'")
    assert connection.execute("SELECT score(e) FROM events e ORDER BY id").fetchall() == plain
    with pytest.raises(duckdb.Error):
        connection.execute(query)
    assert "SET TimeZone = 'UTC'" in str(functions.error)


def test_features_that_nobody_gives_are_asked_for(one: Path, connection: duckdb.DuckDBPyConnection) -> None:
    functions = registered(connection, one)
    with pytest.raises(duckdb.Error):
        connection.execute("SELECT score(e) FROM events e").fetchall()
    assert "the plan has entities: shop, day" in str(functions.error)
    given = "SELECT score(e, {'shop': {'sales': 1, 'share': 2}, 'day': {'rain': 0, 'heat': 20}}) FROM events e"
    scores = connection.execute(given).fetchall()
    shops = {f"shop:{event['country']}": {"sales": 1.0, "share": 2.0, "at": time.time()} for event in EVENTS}
    days = {f"day:{event['day']:%Y%m%d}": {"rain": 0.0, "heat": 20.0} for event in EVENTS}
    with scorer.load(one, features={"shop": shops, "day": days}) as model:
        expected = [each["score"] for each in model.score(EVENTS)]
    without_key = [event["country"] for event in EVENTS].index(None)  # it would not be looked up
    del scores[without_key], expected[without_key]
    assert [score for (score,) in scores] == expected


def test_two_models_share_a_connection(one: Path, connection: duckdb.DuckDBPyConnection) -> None:
    features: dict[str, Any] = {"shop": {}, "day": {}}
    registered(connection, one, features=features)
    bundle = one.parent / "models/parcels/1"
    registered(connection, bundle, schema=SCHEMA, features=features, prefix="parcel_")
    rows = connection.execute("SELECT score(e), parcel_score(e) FROM events e").fetchall()
    assert all(score == same for score, same in rows)


@pytest.fixture
def run(one: Path, connection: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch) -> Any:
    connection.close()
    monkeypatch.chdir(one.parent)
    given = "{'shop': {'sales': 1, 'share': 2}, 'day': {'rain': 0, 'heat': 20}}"
    return lambda query, *words: main(["sql", query.replace("FEATURES", given), *words])


def test_the_command_shows_rows_or_writes_them(run: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    query = "SELECT id, score(e, FEATURES) AS score, e.seen FROM 'events.parquet' e"
    assert run(query) == 0
    shown = capsys.readouterr()
    assert shown.out.splitlines()[0].split() == ["id", "score", "seen"]
    assert len(shown.out.splitlines()) == 41
    assert "the first 40 rows" in shown.err
    assert run(query + ";", "--output", "out.parquet") == 0
    assert run(query, "--json") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    written = parquet.read_table(tmp_path / "out.parquet").to_pylist()
    assert len(lines) == len(EVENTS)
    assert [(line["id"], line["score"]) for line in lines] == [(each["id"], each["score"]) for each in written]


@pytest.mark.parametrize(
    ("query", "told", "code"),
    [
        ("SELECT score(e) FROM 'nothing.parquet' e", "No files found", 1),
        ("SELEC 1", "query: Parser Error", 2),
        ("SELECT score(e) FROM (SELECT 1 AS amount) e", "express", 2),
        ("SELECT score(e) FROM 'events.parquet' e", "features: not given", 2),
    ],
)
def test_a_query_that_fails_has_a_message_without_a_traceback(
    run: Any, query: str, told: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(query) == code
    said = capsys.readouterr().err
    assert told in said
    assert "Traceback" not in said
