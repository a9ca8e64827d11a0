"""Features from tables: the scores that the same features in Redis give, and what each event had at its own time."""

import json
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import yaml
from pyarrow import csv, parquet

from scorer.avro import Schema
from scorer.batch import NO_SLOT, NO_TIME, Lookup
from scorer.cli import main
from scorer.errors import Misconfigured
from scorer.plan import Plan
from scorer.store import Request
from scorer.tables import FeatureTables
from tests.api.example import ARROW, row, store, write_example

COUNTRIES = ["DE", "FR", "US", "Åland", "XX", None]
EVENTS = [
    row(id=f"{country}-{day}", country=country, day=day)
    for country in COUNTRIES
    for day in (date(2020, 2, 29), date(1970, 1, 1), date(2000, 1, 1))
]
EVENT = Schema.parse(
    json.dumps({
        "type": "record",
        "name": "E",
        "fields": [{"name": "tail", "type": "string"}, {"name": "hour", "type": "int"}],
    }),
    "event.avsc",
)  # fmt: skip
PLAN = """
entities: {{plane: {{key: "plane:{{tail}}", layout: {layout}, fields: [seats, year]{age}}}}}
columns: [{{name: seats, entity: plane, field: seats}}, {{name: year, entity: plane, field: year}}]
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    file = tmp_path / "events.parquet"
    parquet.write_table(pa.Table.from_pylist(EVENTS, ARROW), file)
    return file


def scored(config: Path, source: Path, *words: object) -> list[dict[str, Any]]:
    """Return what is predicted, but for the time."""
    out = config.with_name("out.jsonl")
    assert main(["score", "-c", str(config), "--input", str(source), "--output", str(out), *map(str, words)]) == 0
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    return [{name: value for name, value in each.items() if name != "scored_at"} for each in rows]


def tables(folder: Path, stored: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> tuple[Path, Path]:
    """Write what is in Redis as tables: one with the whole keys, and one with the field that they are made of."""
    shops = [
        {
            "key": key,
            **{
                name: None if isinstance(value, str) and value == "none" else float(value)
                for name, value in shop.items()
            },
        }
        for key, shop in stored["shop"].items()
    ]
    parquet.write_table(pa.Table.from_pylist([*shops, {"key": None}]), folder / "shops.parquet")
    days = [
        {"day": datetime.strptime(key[4:], "%Y%m%d").replace(tzinfo=UTC).date(), **day}
        for key, day in stored["day"].items()
    ]
    csv.write_csv(pa.Table.from_pylist(days), folder / "days.csv")
    return folder / "shops.parquet", folder / "days.csv"


def test_tables_give_the_scores_that_redis_gives(
    tmp_path: Path, redis_url: str, source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write_example(tmp_path, redis_url)
    document = yaml.safe_load(config.read_text()) | {"predictions": {"explain": {"top": 19}}}  # what the model saw
    config.write_text(yaml.safe_dump(document))
    shops, days = tables(tmp_path, store(redis_url))
    expected = scored(config, source)
    assert len({json.dumps(each["explanation"]) for each in expected}) > 10
    assert any(each["missing"] == ["shop"] for each in expected), "one is too old"
    assert scored(config, source, "--features", f"shop={shops}") == expected, "the other entity is in Redis"
    del document["features"]
    config.write_text(yaml.safe_dump(document))
    both = ["--features", f"shop={shops}", "--features", f"day={days}"]
    assert scored(config, source, *both) == expected, "Redis is not needed"
    out = tmp_path / "out"
    words = ["--input", tmp_path / "events.parquet", "--output", out, "--format", "jsonl", *both, "--jobs", 2]
    assert main(["score", "-c", str(config), *map(str, words)]) == 0
    rows = [json.loads(line) for line in (out / "events.parquet.jsonl").read_text().splitlines()]
    assert [{name: value for name, value in each.items() if name != "scored_at"} for each in rows] == expected
    capsys.readouterr()
    assert main(["score", "-c", str(config), *map(str, words)]) == 0
    assert "0 files scored, 1 kept" in capsys.readouterr().err
    shops.touch()
    assert main(["score", "-c", str(config), *map(str, words)]) == 0
    assert "1 files scored" in capsys.readouterr().err, "the table is another"
    assert main(["score", "-c", str(config), "--input", str(source), "--features", f"shop={shops}"]) == 2
    assert "no source of features for 'day'" in capsys.readouterr().err


def test_all_problems_of_all_tables_are_told_together(
    tmp_path: Path, redis_url: str, source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write_example(tmp_path, redis_url)
    shops = pa.table({"cuontry": ["DE"], "sales": ["much"], "shares": [1.0], "at": [time.time()]})
    parquet.write_table(shops, tmp_path / "shops.parquet")
    words = ["--features", f"shop={tmp_path}/shops.parquet", "--features", f"day={tmp_path}/none.csv"]
    assert main(["score", "-c", str(config), "--input", str(source), *words, "--features", "shoop=x.csv"]) == 2
    said = capsys.readouterr().err
    assert "no column 'country'; did you mean 'cuontry'?" in said
    assert "no column 'share'; did you mean 'shares'?" in said
    assert "column 'sales' is string; expected numbers" in said
    assert "none.csv: cannot be read" in said
    assert "the plan has no entity 'shoop'; did you mean 'shop'?" in said


def test_options_are_checked_first(
    tmp_path: Path, redis_url: str, source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write_example(tmp_path, redis_url, time=None)
    words = ["--features", "shop", "--features", "day=a.csv", "--features", "day=b.csv", "--as-of", "at"]
    assert main(["score", "-c", str(config), "--input", str(source), *words]) == 2
    said = capsys.readouterr().err
    assert "'shop'; expected ENTITY=FILE" in said
    assert "duplicate 'day'" in said
    assert "events have no time" in said


def opened(
    folder: Path, table: pa.Table, as_of: str | None = None, layout: str = "hash", age: str = ""
) -> FeatureTables:
    """Open a table of planes."""
    plan = Plan.parse(PLAN.format(layout=layout, age=age), "plan.yaml")
    parquet.write_table(table, folder / "planes.parquet")
    serving: Any = SimpleNamespace(looked_up=plan.entities, schema=EVENT)
    return FeatureTables({"plane": folder / "planes.parquet"}, as_of, serving, None)


def asked(found: FeatureTables, keys: Sequence[bytes]) -> Request:
    table = next(iter(found._tables.values()))
    return Request(table._entity, keys)


def test_a_key_with_several_rows_needs_a_time(tmp_path: Path) -> None:
    table = pa.table({"tail": ["a", "b", "a"], "seats": [1, 2, 3], "year": [1, 2, 3], "since": [1, 2, 3]})
    with pytest.raises(
        Misconfigured, match="3 rows have 2 keys: 'plane:a' has several; expected one row a key, or --as-of"
    ):
        opened(tmp_path, table)
    assert opened(tmp_path, table, "since")
    with pytest.raises(Misconfigured, match="--as-of: no table has a column 'at'"):
        opened(tmp_path, table.slice(0, 2), "at")


def test_an_empty_table_has_nothing(tmp_path: Path) -> None:
    kinds = {"tail": pa.string(), "seats": pa.float64(), "year": pa.float64(), "since": pa.int64()}
    for as_of in (None, "since"):
        found = opened(tmp_path, pa.schema(kinds).empty_table(), as_of)
        request = asked(found, [b"plane:a"])
        (each,) = found.found([request], [np.array([0, NO_SLOT], np.int32)], np.array([5, 5]), 0)
        assert each.results.tolist() == [Lookup.MISSING]
        assert each.absent.all()


def test_a_null_is_absent_in_a_hash_and_a_nan_in_a_packed_value(tmp_path: Path) -> None:
    table = pa.table({"tail": ["a"], "seats": pa.array([None], pa.float64()), "year": [0.1]})
    for layout, absent, year in (("hash", [True, False], 0.1), ("packed", [False, False], float(np.float32(0.1)))):
        found = opened(tmp_path, table, layout=layout)
        (reply,) = found([asked(found, [b"plane:a"])], 0)
        assert reply.absent.tolist() == [absent]
        assert np.isnan(reply.values[0, 0])
        assert reply.values[0, 1] == year


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        (pa.array([["a"]]), "column 'key' is list<"),
        (pa.array([{"a": 1}]), "column 'key' is struct<a: int64>"),
        (pa.array([b"\xff"]), "column 'key' is binary: Invalid UTF8"),
    ],
)
def test_keys_that_are_no_texts_are_refused(tmp_path: Path, keys: pa.Array, told: str) -> None:
    with pytest.raises(Misconfigured, match=told):
        opened(tmp_path, pa.table({"key": keys, "seats": [1], "year": [0]}))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("time", [float("nan"), float("inf"), -float("inf"), 1e300, None])
def test_a_row_without_a_time_holds_at_none(tmp_path: Path, time: float | None) -> None:
    """What a cast of NaN gives depends on the processor: on some it is the beginning of 1970."""
    table = pa.table({"tail": ["a", "a"], "seats": [1, 2], "year": [0, 0], "since": pa.array([time, 5.0])})
    found = opened(tmp_path, table, "since")
    (each,) = found.found([asked(found, [b"plane:a"])], [np.zeros(3, np.int32)], np.array([-1, 4_999, 5_000]), 0)
    assert each.results.tolist() == [Lookup.MISSING, Lookup.MISSING, Lookup.HIT]
    assert each.values[2, 0] == 2


MOMENT = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_no_row_is_from_the_future(tmp_path: Path, unit: str) -> None:
    at = pa.array([MOMENT + timedelta(seconds=second) for second in (0, 10)], pa.timestamp("us", "UTC"))
    table = pa.table({"tail": ["a", "a"], "seats": [1, 2], "year": [0, 0], "since": at.cast(pa.timestamp(unit, "UTC"))})
    found = opened(tmp_path, table, "since", age=", max_age: 60, updated: since")
    start = int(MOMENT.timestamp() * 1000)
    times = [start - 1, start, start + 9_999, start + 10_000, start + 70_000, start + 70_001, NO_TIME]
    (each,) = found.found([asked(found, [b"plane:a"])], [np.zeros(len(times), np.int32)], np.array(times), 0)
    assert each.slots.tolist() == list(range(len(times)))
    names = [Lookup(result).name for result in each.results.tolist()]
    assert names == ["MISSING", "HIT", "HIT", "HIT", "HIT", "STALE", "MISSING"]
    assert each.values[1:5, 0].tolist() == [1, 1, 2, 2]


def test_a_fraction_of_a_millisecond_counts_as_later(tmp_path: Path) -> None:
    at = pa.array([1_500], pa.timestamp("us"))
    table = pa.table({"tail": ["a"], "seats": [1], "year": [0], "since": at})
    found = opened(tmp_path, table, "since")
    (each,) = found.found([asked(found, [b"plane:a"])], [np.zeros(2, np.int32)], np.array([1, 2]), 0)
    assert each.results.tolist() == [Lookup.MISSING, Lookup.HIT]
