"""`scorer score` of tables: the same predictions as of the same events as Avro, in every form."""

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pytest
import yaml
from pyarrow import parquet

from scorer.cli import main
from tests.api.example import ARROW, SCHEMA, row, store, write_example

EVENTS = [
    row(id="a"),
    row(id="b", country="FR"),  # its share is infinite: rejected
    row(id="c", country=None, discount=None, pieces=None, details=None, sent=None, photo=None),
    row(id="d", country="US", size="L", express=False, price=Decimal("-7.50"), day=date(1970, 1, 1)),
    row(id="e", country="Åland", amount=-1e9, small=float("nan"), seen=datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)),
    *(row(id=f"f{number}", serial=number, amount=number / 7) for number in range(20)),
]
TYPES = ARROW.append(pa.field("unused", pa.list_(pa.int64())))

Score = Callable[[Path, str], Path]


@pytest.fixture(params=[0, 3], ids=["number", "classes"])
def config(request: pytest.FixtureRequest, tmp_path: Path, redis_url: str) -> Path:
    store(redis_url)
    file = write_example(tmp_path, redis_url, request.param)
    document = yaml.safe_load(file.read_text()) | {"predictions": {"explain": {"top": 2, "when": "sample: 0.5"}}}
    file.write_text(yaml.safe_dump(document))
    return file


@pytest.fixture
def score(config: Path, tmp_path: Path) -> Score:
    def run(source: Path, name: str) -> Path:
        target = tmp_path / name
        assert main(["score", "-c", str(config), "--input", str(source), "--output", str(target)]) == 0
        return target

    return run


@pytest.fixture
def expected(score: Score, tmp_path: Path) -> list[dict[str, Any]]:
    """What is predicted of the events as Avro."""
    found = by_avro(score, tmp_path, EVENTS)
    assert [each["event_id"] for each in found if each["score"] is None] == ["b"]
    assert 0 < sum(each["explanation"] is not None for each in found) < len(found)
    return found


@pytest.fixture
def source(tmp_path: Path) -> Path:
    file = tmp_path / "events.parquet"
    rows = [{**event, "unused": [1, 2]} for event in EVENTS]
    parquet.write_table(pa.Table.from_pylist(rows, TYPES), file, row_group_size=10)
    return file


def timeless(prediction: Mapping[str, Any]) -> dict[str, Any]:
    """Return a prediction without the time at which it was made."""
    return {name: value for name, value in prediction.items() if name != "scored_at"}


def by_avro(score: Score, folder: Path, events: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the predictions of events in an Avro container."""
    source = folder / "events.avro"
    with source.open("wb") as out:
        fastavro.writer(out, fastavro.parse_schema(SCHEMA), events)
    return lines_of(score(source, "expected.jsonl"))


def lines_of(file: Path) -> list[dict[str, Any]]:
    return [timeless(json.loads(line)) for line in file.read_text(encoding="utf-8").splitlines()]


def test_parquet_in_gives_what_avro_gives(score: Score, source: Path, expected: list[dict[str, Any]]) -> None:
    assert lines_of(score(source, "found.jsonl")) == expected


def test_parquet_out_has_what_json_has(score: Score, source: Path, expected: list[dict[str, Any]]) -> None:
    table = parquet.read_table(score(source, "found.parquet"))
    assert table.num_rows == len(EVENTS)
    for found, wanted in zip(table.to_pylist(), expected, strict=True):
        at = wanted["event_time"] and datetime.fromisoformat(wanted["event_time"])
        assert timeless(found) == {"reason": None, "detail": None} | wanted | {"event_time": at}
        assert abs((datetime.now(UTC) - found["scored_at"]).total_seconds()) < 3_600


def test_csv_out_has_what_json_has(score: Score, source: Path, expected: list[dict[str, Any]]) -> None:
    with score(source, "found.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == len(EVENTS)
    for found, wanted in zip(lines, expected, strict=True):
        assert found["event_id"] == wanted["event_id"]
        assert json.loads(found["score"] or "null") == wanted["score"]
        assert json.loads(found["missing"]) == wanted["missing"]
        assert json.loads(found["explanation"] or "null") == wanted["explanation"]
        assert found["detail"] == wanted.get("detail", "")


def write_csv(file: Path, events: Sequence[Mapping[str, Any]]) -> None:
    with file.open("w", encoding="utf-8", newline="", errors="surrogateescape") as opened:
        out = csv.writer(opened)
        names = [name for name in ARROW.names if name not in {"photo", "tags", "details"}]
        out.writerow(names)
        out.writerows(["" if event[name] is None else event[name] for name in names] for event in events)


def test_csv_in_gives_what_avro_gives(score: Score, tmp_path: Path) -> None:
    events = [{**event, "details": None} for event in EVENTS]  # a CSV has no columns in columns
    source = tmp_path / "events.csv"
    write_csv(source, events)
    assert lines_of(score(source, "found.jsonl")) == by_avro(score, tmp_path, events)


CELLS = {
    "amount": "12a", "discount": "-", "small": "tiny", "pieces": "3.5", "serial": "1e30", "express": "yes",
    "country": "\udcff", "size": "XXL", "price": "cheap", "day": "2020-13-45", "clock": "25:00", "seen": "never",
}  # fmt: skip


@pytest.mark.parametrize("config", [0], indirect=True)
def test_a_cell_that_does_not_fit_its_column_costs_its_row(score: Score, tmp_path: Path) -> None:
    good = [{**event, "details": None} for event in EVENTS]
    bad = [row(id=f"bad {name}", details=None) | {name: cell} for name, cell in CELLS.items()]
    source = tmp_path / "events.csv"
    write_csv(source, [*good, *bad, *good])
    found = lines_of(score(source, "found.jsonl"))
    expected = by_avro(score, tmp_path, good)
    assert found[: len(good)] == expected
    assert found[len(good) + len(bad) :] == expected
    for (name, cell), rejected in zip(CELLS.items(), found[len(good) :], strict=False):
        assert (rejected["event_id"], rejected["score"]) == (f"bad {name}", None)
        assert (rejected["reason"], rejected["detail"].split(": ")[0]) == ("bad-value", name)
        assert name == "country" or cell in rejected["detail"]


@pytest.mark.parametrize("name", ["events.parquet", "events.csv"])
def test_a_file_that_is_no_table_is_refused(
    config: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_bytes(b"\x00\xff" * 100)
    assert main(["score", "-c", str(config), "--input", str(tmp_path / name)]) == 2
    assert f"{name}: " in capsys.readouterr().err


def test_an_output_appears_whole_or_not_at_all(config: Path, source: Path, tmp_path: Path) -> None:
    whole = source.read_bytes()
    source.write_bytes(whole[:4] + b"\x00" * (len(whole) // 2) + whole[4 + len(whole) // 2 :])  # its footer is good
    target = tmp_path / "found.parquet"
    assert main(["score", "-c", str(config), "--input", str(source), "--output", str(target)]) == 2
    assert list(tmp_path.glob("*found*")) == []


def test_a_slip_in_the_name_of_an_optional_column_is_told(
    config: Path, source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = parquet.read_table(source)
    parquet.write_table(table.rename_columns({"discount": "discuont"}), source)
    assert main(["score", "-c", str(config), "--input", str(source)]) == 2
    assert "no column 'discount'; did you mean 'discuont'?" in capsys.readouterr().err
    parquet.write_table(table.drop_columns("discount"), source)
    assert main(["score", "-c", str(config), "--input", str(source)]) == 0
    assert "no column for discount: their default, or null, in every row" in capsys.readouterr().err


def test_avro_out_has_what_json_has(score: Score, source: Path, expected: list[dict[str, Any]]) -> None:
    with score(source, "found.avro").open("rb") as file:
        rows = list(fastavro.reader(file))
    assert len(rows) == len(EVENTS)
    for found, wanted in zip(rows, expected, strict=True):
        assert isinstance(found, dict)
        at = wanted["event_time"] and datetime.fromisoformat(wanted["event_time"])
        assert timeless(found) == {"reason": None, "detail": None} | wanted | {"event_time": at}
