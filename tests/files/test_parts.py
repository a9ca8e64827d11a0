"""A large Parquet file is divided at its row groups: the same rows, each once, however often it is divided anew."""

import json
import os
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml
from pyarrow import parquet

from scorer.files.parts import left_over
from tests.files.example import COLUMNS, events, names, read, score, write_config
from tests.forks import Command

PATIENCE_SECONDS = 120.0
ROWS, GROUP = 2_300, 100
BAD = 1_234  # the row that cannot be scored


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration in which events have no ids, so that predictions have the numbers of their rows."""
    file = write_config(tmp_path)
    document = yaml.safe_load(file.read_text())
    del document["events"]["id"]
    file.write_text(yaml.safe_dump(document))
    return file


@pytest.fixture
def large(tmp_path: Path) -> Path:
    return written(tmp_path / "days/large.parquet", ROWS)


def written(file: Path, rows: int) -> Path:
    table = events("large", rows)
    if rows > BAD:
        table[BAD]["amount"] = None
    file.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.Table.from_pylist(table, COLUMNS), file, row_group_size=GROUP)
    return file


def all_rows(folder: Path) -> list[dict[str, Any]]:
    return [row for name in names(folder) for row in read(folder / name)]


@pytest.mark.parametrize("form", ["parquet", "jsonl"])
def test_the_parts_have_the_rows_of_the_whole_in_order(config: Path, large: Path, tmp_path: Path, form: str) -> None:
    words = ["--input", large, "--format", form]
    assert score(config, *words, "--output", tmp_path / "whole", "--dead-letters", tmp_path / "bad") == 0
    parts = [*words, "--part-rows", 450, "--output", tmp_path / "parts", "--dead-letters", tmp_path / "bad-parts"]
    assert score(config, *parts) == 0
    whole = read(tmp_path / "whole" / f"large.parquet{'' if form == 'parquet' else '.jsonl'}")
    assert len(names(tmp_path / "parts")) == 5
    assert all_rows(tmp_path / "parts") == whole
    assert len(whole) == ROWS - 1
    (one,), (same,) = (
        [json.loads(line) for name in names(tmp_path / folder) for line in (tmp_path / folder / name).open()]
        for folder in ("bad", "bad-parts")
    )
    assert one == same
    assert one["row"] == BAD


def test_no_row_is_there_twice_when_a_file_is_divided_otherwise(
    config: Path, large: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    (out / "large.parquet.parts").mkdir(parents=True)
    (out / "large.parquet.parts/notes.txt").write_text("of someone else")
    for rows, outputs in ((None, 1), (250, 8), (1_000, 3), (100, 23), (None, 1)):
        words = ["--input", large, "--format", "jsonl", "--output", out, "--json"]
        words += ["--dead-letters", tmp_path / "bad"] + (["--part-rows", rows] if rows else [])
        for kept in (0, outputs):
            capsys.readouterr()
            assert score(config, *words) == 0
            said = json.loads(capsys.readouterr().out)
            assert (said["kept"], said["scored"]) == (kept, ROWS - 1)
        there = [name for name in names(out) if name.endswith(".jsonl")]
        assert len(there) == outputs
        ids = [row["event_id"] for name in there for row in read(out / name)]
        assert len(ids) == len(set(ids)) == ROWS - 1
        assert len(names(tmp_path / "bad")) == 1
    assert (out / "large.parquet.parts/notes.txt").exists()


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.prove)])
def test_a_killed_command_goes_on_with_the_parts_that_are_left(config: Path, tmp_path: Path, jobs: int) -> None:
    rows, killed = 2_000, False
    while not killed:  # with more rows if it was done before it could be killed
        rows *= 2
        out, large = tmp_path / f"out{rows}", written(tmp_path / f"large{rows}.parquet", rows)
        words = ["--input", large, "--output", out, "--format", "jsonl", "--part-rows", rows // 20, "--jobs", jobs]
        command = Command(["score", "-c", str(config), *map(str, words)], tmp_path / "log", os.environ)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not list((out / "_scorer").rglob("*.json")):
            assert command.poll() is None, (tmp_path / "log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.005)
        command.kill()
        command.wait(PATIENCE_SECONDS)
        killed = 0 < len(names(out)) < 20
    finished = {file.relative_to(out / "_scorer") for file in (out / "_scorer").rglob("*.json")}
    stamps = {file: (out / file.with_suffix("")).stat().st_mtime_ns for file in finished}
    assert score(config, *words) == 0
    assert {file: (out / file.with_suffix("")).stat().st_mtime_ns for file in finished} == stamps
    ids = [int(row["event_id"]) for row in all_rows(out)]
    assert ids == list(range(rows))
    assert list((out / "_scorer").rglob("*.part")) == []


def test_files_that_cannot_be_divided_stay_whole(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    days = tmp_path / "days"
    written(days / "small.parquet", GROUP)
    (days / "lines.jsonl").write_text("".join(json.dumps(row) + "\n" for row in events("lines", 500)))
    (days / "damaged.parquet").write_bytes(b"PAR1 nothing")
    words = ["--input", days, "--format", "jsonl", "--output", tmp_path / "out", "--part-rows", "10"]
    assert score(config, *words) == 2
    assert "damaged.parquet: cannot be read" in capsys.readouterr().err
    assert names(tmp_path / "out") == ["lines.jsonl", "small.parquet.jsonl"]
    assert score(config, "--input", days / "small.parquet", "--part-rows", "10") == 2
    assert "--part-rows: parts need a folder for their outputs" in capsys.readouterr().err


def test_only_outputs_of_the_same_files_are_left_over() -> None:
    there = ["a.csv", "b.csv", "a.csv.parts/00000.csv", "a.csv.parts/00001.csv", "a.csv.parts/x.csv"]
    there += ["b.csv.parts/00000.csv", "deep/a.csv"]
    assert left_over(there, ["a.csv"], {"a.csv"}) == ["a.csv.parts/00000.csv", "a.csv.parts/00001.csv"]
    assert left_over(there, ["a.csv"], {"a.csv.parts/00000.csv"}) == ["a.csv", "a.csv.parts/00001.csv"]
    assert left_over(there, [], set()) == []
