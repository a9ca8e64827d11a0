"""`scorer score` of folders: what is scored, what is kept, and what others see meanwhile."""

import fcntl
import json
import os
import resource
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from scorer.errors import Fatal
from scorer.files import outputs, scoring
from tests.files.example import add_version, events, names, read, score, write, write_config
from tests.forks import Command

PATIENCE_SECONDS = 120.0


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_config(tmp_path)


@pytest.fixture
def days(tmp_path: Path) -> Path:
    """A folder with a file of every form, and what is none."""
    folder = tmp_path / "days"
    for name in ("a.parquet", "b.csv", "c.jsonl", "deep/d.avro"):
        write(folder / name, events(name, 250))
    (folder / "notes.txt").write_text("no events")
    (folder / "_SUCCESS").write_text("")
    return folder


def stamps(folder: Path) -> dict[str, int]:
    """When each file was written."""
    return {name: (folder / name).stat().st_mtime_ns for name in names(folder)}


@pytest.mark.parametrize("form", ["parquet", "jsonl", "avro"])
def test_each_file_of_a_folder_becomes_one_with_the_scores_that_it_has_alone(
    config: Path, days: Path, tmp_path: Path, form: str
) -> None:
    out = tmp_path / "out"
    assert score(config, "--input", days, "--output", out, "--format", form) == 0
    inputs = ["a.parquet", "b.csv", "c.jsonl", "deep/d.avro"]
    assert names(out) == sorted(name if name.endswith(form) else f"{name}.{form}" for name in inputs)
    for name in inputs:
        alone = tmp_path / f"alone.{form}"
        assert score(config, "--input", days / name, "--output", alone) == 0
        found = read(out / (name if name.endswith(form) else f"{name}.{form}"))
        assert [row["event_id"] for row in found] == [f"{name}-{at}" for at in range(250)]
        assert found == read(alone)


def test_patterns_and_several_inputs_are_scored_once_each(config: Path, days: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    given = ["--input", f"{days}/*.[cp]*", "--input", days / "b.csv", "--input", f"{days}/**/*.avro"]
    assert score(config, *given, "--output", out, "--format", "parquet") == 0
    assert names(out) == ["a.parquet", "b.csv.parquet", "deep/d.avro.parquet"]


def test_what_is_no_file_is_told_together(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    words = ["--input", tmp_path / "empty", "--input", f"{tmp_path}/none/*.csv"]
    assert score(config, *words, "--output", tmp_path / "out", "--format", "csv") == 2
    said = capsys.readouterr().err
    assert f"--input: no file at {tmp_path}/empty; expected a file, or a folder of files that end in .parquet" in said
    assert f"no file at {tmp_path}/none/*.csv" in said


def test_two_files_of_one_name_are_refused(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for folder in ("x", "y"):
        write(tmp_path / folder / "day.csv", events(folder, 3))
    words = ["--input", tmp_path / "x", "--input", tmp_path / "y", "--output", tmp_path / "out", "--format", "csv"]
    assert score(config, *words) == 2
    assert "x/day.csv and " in capsys.readouterr().err
    assert names(tmp_path / "out") == []


def test_a_folder_of_outputs_is_never_one_of_inputs(
    config: Path, days: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for out in (days, tmp_path):
        assert score(config, "--input", days, "--output", out, "--format", "jsonl") == 2
        assert "contains the input" in capsys.readouterr().err


def test_a_file_is_never_replaced_by_its_own_predictions(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(day := tmp_path / "day.csv", events("a", 5))
    before = day.read_bytes()
    (link := tmp_path / "link.csv").symlink_to(day)
    for words in (["--output", day], ["--output", link], ["--output", tmp_path / "out.csv", "--dead-letters", day]):
        assert score(config, "--input", day, *words) == 2
        assert f"{words[-2]}: {words[-1]} is a file that is read; name another file" in capsys.readouterr().err
    write(table := tmp_path / "planes.csv", events("b", 5))
    assert score(config, "--input", day, "--output", table, "--features", f"plane={table}") == 2
    assert f"--output: {table} is a file that is read" in capsys.readouterr().err
    assert day.read_bytes() == before


def test_finished_outputs_are_kept_until_what_they_were_made_of_changes(
    config: Path, days: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"

    def again() -> set[str]:
        """Score again, and return which outputs were written anew."""
        before = stamps(out)
        assert score(config, "--input", days, "--output", out, "--format", "jsonl") == 0
        return {name for name, at in stamps(out).items() if before.get(name) != at}

    everything = {"a.parquet.jsonl", "b.csv.jsonl", "c.jsonl", "deep/d.avro.jsonl"}
    assert again() == everything
    assert again() == set()
    assert "0 files scored, 4 kept: 1,000 scored (fraud version 1)" in capsys.readouterr().err
    write(days / "b.csv", events("new", 251))
    assert again() == {"b.csv.jsonl"}
    (out / "c.jsonl").unlink()
    (out / "a.parquet.jsonl").write_text("")
    assert again() == {"c.jsonl", "a.parquet.jsonl"}
    add_version(tmp_path, "2", 3)
    assert again() == everything
    assert {row["version"] for row in read(out / "c.jsonl")} == {"2"}
    document = yaml.safe_load(config.read_text())
    config.write_text(yaml.safe_dump(document | {"events": {"schema": "event.avsc"}}))
    assert again() == everything


def test_an_output_without_a_receipt_is_made_again(
    config: Path, days: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words, out = ["--input", days, "--output", tmp_path / "out", "--format", "jsonl"], tmp_path / "out"
    assert score(config, *words) == 0
    first = stamps(out)
    write(days / "a.parquet", events("new", 10))

    def fail(*_: object) -> None:
        raise Fatal("killed before the receipt")

    with monkeypatch.context() as patch:
        patch.setattr(outputs._Folder, "note", fail)
        assert score(config, *words) == 1
    assert stamps(out)["a.parquet.jsonl"] != first["a.parquet.jsonl"]
    second = stamps(out)
    assert score(config, *words) == 0
    assert {name for name, at in stamps(out).items() if second[name] != at} == {"a.parquet.jsonl"}
    assert len(read(out / "a.parquet.jsonl")) == 10


@pytest.mark.parametrize(
    "edit",
    [{"rejected": 5}, {"rejected": [1]}, {"rejected": {"late": "b"}}, {"scored": "5"}, {"absent": [7]}],
)
def test_a_receipt_that_others_edited_is_none(config: Path, tmp_path: Path, edit: dict[str, Any]) -> None:
    write(tmp_path / "in/a.csv", events("a", 5))
    words = ["--input", tmp_path / "in", "--output", tmp_path / "out", "--format", "csv"]
    assert score(config, *words) == 0
    receipt = tmp_path / "out/_scorer/a.csv.json"
    whole = receipt.read_text()
    receipt.write_text(json.dumps(json.loads(whole) | edit))
    assert score(config, *words) == 0
    assert receipt.read_text() == whole, "the output was made again"


def test_a_receipt_without_an_end_is_none() -> None:
    assert outputs.Receipt.parse(b"[" * 200_000) is None


def test_links_to_folders_are_followed_but_not_in_circles(config: Path, tmp_path: Path) -> None:
    """A folder whose days are links to other disks was read without them, and without a word."""
    write(tmp_path / "in/b.csv", events("b", 5))
    write(tmp_path / "disk/deep/a.csv", events("a", 5))
    (tmp_path / "in/day").symlink_to(tmp_path / "disk")
    (tmp_path / "disk/deep/again").symlink_to(tmp_path / "disk")
    (tmp_path / "in/_work").symlink_to(tmp_path / "disk")
    (tmp_path / "in/gone.csv").symlink_to(tmp_path / "nothing")
    assert score(config, "--input", tmp_path / "in", "--output", tmp_path / "out", "--format", "csv") == 0
    assert names(tmp_path / "out") == ["b.csv", "day/deep/a.csv"]


def test_a_folder_that_cannot_be_read_is_told(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "in/shut/a.csv", events("a", 5))
    write(tmp_path / "in/b.csv", events("b", 5))
    read_folder = Path.iterdir

    def refuse(folder: Path) -> Any:  # root may read every folder, so that the real one refuses nothing
        if folder.name == "shut":
            raise PermissionError(13, "Permission denied")
        return read_folder(folder)

    monkeypatch.setattr(Path, "iterdir", refuse)
    assert score(config, "--input", tmp_path / "in", "--output", tmp_path / "out", "--format", "csv") == 2
    assert f"--input: {tmp_path}/in/shut cannot be read: Permission denied" in capsys.readouterr().err


@pytest.mark.parametrize("form", ["parquet", "csv", "jsonl", "avro"])
def test_a_full_disk_is_told(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str) -> None:
    """No file may be larger than a limit: the kernel fails a write in the middle, as it does on a full disk."""
    write(tmp_path / "in/a.csv", events("a", 20_000))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, before[1]))
    try:
        code = score(config, "--input", tmp_path / "in", "--output", tmp_path / "out", "--format", form)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert code == 1
    assert f"error: {tmp_path}/out/a.csv{'' if form == 'csv' else f'.{form}'} cannot be written: File too large" in (
        capsys.readouterr().err
    )
    assert names(tmp_path / "out") == []


def test_a_file_that_changes_while_it_is_read_gets_no_output(
    config: Path, days: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make = scoring.FileScorer._write

    def write_and_change(self: scoring.FileScorer, path: Path, *rest: object) -> None:
        make(self, path, *rest)  # type: ignore[arg-type]  # passed on
        if path.name == "c.jsonl":
            with path.open("a") as file:
                file.write('{"id": "late", "amount": 1}\n')

    monkeypatch.setattr(scoring.FileScorer, "_write", write_and_change)
    out = tmp_path / "out"
    assert score(config, "--input", days, "--output", out, "--format", "jsonl") == 2
    assert f"{days}/c.jsonl: changed while it was read" in capsys.readouterr().err
    assert "c.jsonl" not in names(out)


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.prove)])
def test_files_that_cannot_be_read_do_not_stop_others(
    config: Path, days: Path, tmp_path: Path, jobs: int, capsys: pytest.CaptureFixture[str]
) -> None:
    (days / "a.parquet").write_bytes(b"PAR1 no")
    with (days / "c.jsonl").open("a") as file:
        file.write("no event\n")
    out = tmp_path / "out"
    words = ["--input", days, "--output", out, "--format", "avro", "--jobs", jobs, "--json"]
    assert score(config, *words) == 2
    said = capsys.readouterr()
    assert f"{days}/a.parquet: cannot be read" in said.err
    assert f"{days}/c.jsonl, line 251: not JSON" in said.err
    assert names(out) == ["b.csv.avro", "deep/d.avro"]
    summary = json.loads(said.out)
    assert (summary["files"], summary["scored"], len(summary["failed"])) == (2, 500, 2)


@pytest.mark.prove
def test_processes_give_what_one_gives(config: Path, days: Path, tmp_path: Path) -> None:
    for name, jobs in (("one", 1), ("two", 2)):
        words = ["--input", days, "--output", tmp_path / name, "--format", "parquet", "--jobs", jobs]
        assert score(config, *words) == 0
    assert names(tmp_path / "one") == names(tmp_path / "two")
    for name in names(tmp_path / "one"):
        assert read(tmp_path / "one" / name) == read(tmp_path / "two" / name)


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.prove)])
def test_a_killed_command_goes_on_where_it_was(config: Path, tmp_path: Path, jobs: int) -> None:
    files, rows, killed = 20, 200, False
    while not killed:  # with more rows if it was done before it could be killed
        rows *= 2
        days, out = tmp_path / f"many{rows}", tmp_path / f"out{rows}"
        for number in range(files):
            write(days / f"{number:02}.jsonl", events(f"{number:02}", rows))
        words = ["--input", days, "--output", out, "--format", "jsonl", "--jobs", jobs]
        command = Command(["score", "-c", str(config), *map(str, words)], tmp_path / "log", os.environ)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not list((out / "_scorer").glob("*.json")):
            assert command.poll() is None, (tmp_path / "log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        command.kill()
        command.wait(PATIENCE_SECONDS)
        killed = 0 < len(names(out)) < files
    there = stamps(out)
    finished = {file.name.removesuffix(".json") for file in (out / "_scorer").glob("*.json")}
    assert all(len(read(out / name)) == rows for name in there), "an output is there before it is whole"
    assert score(config, *words) == 0
    assert [name for name in finished if stamps(out)[name] != there[name]] == []
    ids = [row["event_id"] for name in names(out) for row in read(out / name)]
    assert len(ids) == len(set(ids)) == files * rows
    assert list((out / "_scorer").glob("*.part")) == []


def test_two_commands_never_write_one_folder(
    config: Path, days: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(outputs, "LOCK_SECONDS", 0)
    out = tmp_path / "out"
    words = ["--input", days, "--output", out, "--format", "jsonl"]
    assert score(config, *words) == 0
    shutil.rmtree(out / "deep")
    with (out / "_scorer/lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)  # as the processes of a command do
        assert score(config, *words) == 2
    assert f"another command is writing to {out}" in capsys.readouterr().err
    assert not (out / "deep").exists()


def test_bad_rows_become_dead_letters_rather_than_outputs(config: Path, tmp_path: Path) -> None:
    days, out, dead = tmp_path / "days", tmp_path / "out", tmp_path / "dead"
    write(days / "good.jsonl", events("good", 3))
    rows: list[dict[str, Any]] = [
        {"id": "0", "amount": 1.5},
        {"id": "1", "amount": "Infinity"},
        {"id": "2"},
        {"id": "3", "amount": 2},
    ]
    write(days / "bad.jsonl", rows)
    words = ["--input", days, "--output", out, "--format", "parquet", "--dead-letters", dead]
    assert score(config, *words) == 0
    assert [row["event_id"] for row in read(out / "bad.jsonl.parquet")] == ["0", "3"]
    assert names(dead) == ["bad.jsonl.parquet.jsonl"]
    letters = map(json.loads, (dead / "bad.jsonl.parquet.jsonl").read_text().splitlines())
    infinite, absent = sorted(letters, key=lambda letter: letter["row"] is None)
    place = {"file": str(days / "bad.jsonl"), "reason": "bad-value"}
    assert infinite == place | {"row": 1, "event_id": "1", "detail": infinite["detail"]}
    assert "infin" in infinite["detail"].lower()
    assert absent == place | {"row": None, "event_id": None, "detail": absent["detail"]}
    assert "bad.jsonl, line 3: " in absent["detail"]
    write(days / "bad.jsonl", rows[:1])
    assert score(config, *words) == 0
    assert names(dead) == []


@pytest.mark.parametrize("form", ["jsonl", "csv", "avro"])
def test_a_single_file_has_a_file_of_dead_letters(config: Path, tmp_path: Path, form: str) -> None:
    source, out, dead = tmp_path / "rows.parquet", tmp_path / f"out.{form}", tmp_path / "dead.jsonl"
    write(source, [*events("good", 3), {"id": "bad", "amount": 1.0, "items": 2**40}])
    assert score(config, "--input", source, "--output", out, "--dead-letters", dead) == 0
    (letter,) = map(json.loads, dead.read_text().splitlines())
    assert (letter["row"], letter["event_id"]) == (3, "bad")
    assert "bad" not in out.read_text(errors="replace")
    assert score(config, "--input", source, "--output", out) == 0
    if form == "avro":
        assert read(out)[3]["reason"] == "bad-value"
    else:
        assert "bad-value" in out.read_text()


def test_options_of_one_file_and_of_folders_are_told_apart(
    config: Path, days: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert score(config, "--input", days) == 2
    assert "--output: several files need a folder for their outputs" in capsys.readouterr().err
    assert score(config, "--input", days / "b.csv", "--jobs", "2", "--json") == 2
    said = capsys.readouterr().err
    assert "--jobs: one output is written by one process" in said
    assert "--json: predictions are written to stdout" in said
    assert score(config, "--input", days / "b.csv", "--output", tmp_path / "one.csv", "--json") == 0
    assert json.loads(capsys.readouterr().out)["scored"] == 250
