import json
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks import __main__ as program
from benchmarks import report
from benchmarks.compare import Results, Wanted, alike
from benchmarks.contenders import contenders
from benchmarks.measure import Throughput
from benchmarks.steady import Latency
from scorer.errors import Fatal

BATCHED, SCORER = contenders(["batched"], ["hash"], [2000])
MACHINE = {"processors": 2, "processor": "x", "python": "3", "kafka": "K", "redis": "R", "load_before": 0.5}


def results(*cpu: tuple[float, float]) -> Results:
    """Return results of rounds in which the two took the given microseconds per event."""
    found = Results(MACHINE)
    found.throughput[BATCHED] = [Throughput(10, 1000.0, own, 90.0) for own, _ in cpu]
    found.throughput[SCORER] = [Throughput(30, 8000.0, own, 250.0) for _, own in cpu]
    found.latency[10, SCORER] = [Latency(200, 5.0, 20.0, 31.0, 900.0)]
    return found


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[Wanted]:
    """Return the measurements made when the ratios are 4, 6 and 10."""
    asked = []

    def compare(wanted: Wanted, _: Console) -> Results:
        asked.append(wanted)
        return results((40, 10), (60, 10), (50, 5))

    monkeypatch.setattr(program, "compare", compare)
    return asked


@pytest.mark.usefixtures("measured")
@pytest.mark.parametrize(("least", "code"), [("5.9", 0), ("6", 0), ("6.1", 1)])
def test_a_check_fails_below_the_ratio(least: str, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["--check", least]) == code
    assert "6.00 times" in capsys.readouterr().err


@pytest.mark.usefixtures("measured")
def test_a_document_has_every_round(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert program.main(["--json", "--output", str(tmp_path / "document")]) == 0
    printed = capsys.readouterr().out
    assert printed == (tmp_path / "document").read_text()
    document = json.loads(printed)
    assert [row["name"] for row in document["throughput"]] == ["batched", "scorer"]
    assert document["throughput"][1]["ratios"] == [4, 6, 10]
    assert [run["cpu_us"] for run in document["throughput"][0]["rounds"]] == [40, 60, 50]
    assert document["latency"][0]["rate"] == 10


def test_options_select_the_measurements(measured: list[Wanted]) -> None:
    words = [
        "--rivals",
        "batched",
        "--layouts",
        "packed",
        "--rates",
        "none",
        "--events",
        "7",
        "--repeat",
        "2",
        "--batches",
        "500",
    ]
    assert program.main(words) == 0
    assert list(map(str, measured[0].contenders)) == ["batched, packed", "scorer, packed, 500 a batch"]
    assert (measured[0].events, measured[0].rounds, measured[0].rates) == (7, 2, [])


def test_another_checkout_alternates_with_this_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "before"
    assert list(map(str, contenders([], ["hash"], [500], other))) == [
        "scorer, hash, 500 a batch",
        "scorer of before, hash, 500 a batch",
    ]
    own, before = contenders([], ["hash"], [500], other)
    found = Results(MACHINE)
    found.throughput = {contender: [Throughput(1, 1.0, cpu, 1.0)] for contender, cpu in ((own, 3.0), (before, 2.0))}
    found.latency = {
        (10, contender): [Latency(1, p50, 4.0, 5.0, 6.0)] for contender, p50 in ((own, 1.0), (before, 2.0))
    }
    assert [(each.figure.rpartition(": ")[2], each.ratios) for each in found.beside()] == [
        ("CPU per event", [1.5]), ("p50", [0.5]), ("p99", [1.0]), ("CPU per event", [1.0]),
    ]  # fmt: skip
    report.show(found, Console(width=200))
    assert "| scorer, hash, 500 a batch, 10 events/s: p50 | 0.500 |" in " ".join(capsys.readouterr().out.split())


def test_only_replicas_with_the_same_limits_are_measured_at_once(tmp_path: Path) -> None:
    everyone = contenders(["batched"], ["hash"], [500, 2_000], tmp_path / "before")
    assert [[*map(str, group)] for group in alike(everyone)] == [
        ["batched, hash"],
        ["scorer, hash, 500 a batch", "scorer of before, hash, 500 a batch"],
        ["scorer, hash, 2,000 a batch", "scorer of before, hash, 2,000 a batch"],
    ]


def test_another_checkout_needs_an_environment(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        program.main(["--beside", str(tmp_path)])
    assert "has no .venv/bin/scorer" in capsys.readouterr().err


def test_a_rival_reads_only_the_layouts_it_can() -> None:
    assert list(map(str, contenders(["naive"], ["packed"], [500]))) == ["scorer, packed, 500 a batch"]


@pytest.mark.parametrize(
    "words", [["--rivals", "clever"], ["--layouts", "json"], ["--rates", "fast"], ["--check", "x"]]
)
def test_unknown_option_values_are_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        program.main(words)
    assert words[1] in capsys.readouterr().err


def test_a_failed_run_is_an_error(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def compare(*_: object) -> Results:
        raise Fatal("lost [some] events")

    monkeypatch.setattr(program, "compare", compare)
    assert program.main([]) == 1
    assert "error: lost [some] events" in capsys.readouterr().err


def test_tables_show_the_median_with_the_minimum_and_the_maximum(capsys: pytest.CaptureFixture[str]) -> None:
    report.show(results((40, 10), (60, 10), (50, 5)), Console(width=200))
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert (
        "| scorer, hash, 2,000 a batch | 30 | 8,000 (8,000-8,000) | 10.0 (5.0-10.0) | 6.00 (4.00-10.00) | 8.00 | 250 |"
        in lines
    )
    assert "| scorer, hash, 2,000 a batch | 200 | 5.0 | 20.0 | 31 | 900 |" in lines
    assert "load before: 0.5" in lines[0]


def test_there_is_no_ratio_without_the_base(capsys: pytest.CaptureFixture[str]) -> None:
    found = results((40, 10))
    del found.throughput[BATCHED]
    report.show(found, Console(width=200))
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "| scorer, hash, 2,000 a batch | 30 | 8,000 | 10.0 | - | - | 250 |" in lines
