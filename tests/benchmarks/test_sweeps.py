import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
from rich.console import Console

from benchmarks import __main__ as program
from benchmarks import sweeps, waits
from benchmarks.clients import Done
from benchmarks.measure import Measure, Throughput, measuring, spent
from benchmarks.steady import Sample, Steady
from benchmarks.sweeps import backlogs, http, minutes, rates, replicas, round_trips
from benchmarks.sweeps.chart import chart, table
from benchmarks.sweeps.scope import Scope
from benchmarks.together import Together, together
from benchmarks.workload import Workload
from scorer.errors import Fatal
from scorer.kafka import Source
from scorer.store import Lookups

SCOPE = Scope(events=100, rounds=2, rate=50.0, seconds=1.0, console=Console(quiet=True))


def cells(page: str) -> list[list[str]]:
    """The rows of a page's tables, without titles."""
    lines = [line for line in page.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def steady(rate: float, waits: Sequence[float], *samples: tuple[int, float, float]) -> Steady:
    return Steady(rate, np.array(waits), [Sample(*sample) for sample in samples])


def test_a_table_is_aligned() -> None:
    assert table(["a", "bb"], [["x", "1"], ["yy", "22,222"]]) == (
        "| a  |     bb |\n| -- | -----: |\n| x  |      1 |\n| yy | 22,222 |\n"
    )


def test_a_chart_has_a_named_line_for_each_series_and_begins_at_zero() -> None:
    drawn = chart("Cost", ("partitions", [1, 64]), "us", {"hash": [5.0, 10.0], "packed": [4.25, 4]})
    assert drawn.startswith("```mermaid\n")
    assert drawn.endswith("```\n")
    assert 'title "Cost (blue: hash, orange: packed)"' in drawn
    assert 'x-axis "partitions" ["1", "64"]' in drawn
    assert 'y-axis "us" 0 --> 11\n' in drawn
    assert re.findall(r"line \[(.*)\]", drawn) == ["5, 10", "4.25, 4"]


def test_cpu_time_between_two_moments_is_split_by_program() -> None:
    samples = [(0, 1.0, 7.0), (100, 2.0, 7.0), (200, 4.0, 8.0)]
    assert spent(samples, 50, 150) == pytest.approx([1.5, 0.5])


def test_a_cost_is_shown_as_its_minimum_and_median() -> None:
    runs = {
        (layout, point): [Throughput(9, 1000.0 * point, cost * point, 200.0) for cost in (3.0, 2.0, 5.0)]
        for layout in ("hash", "packed")
        for point in (1, 2)
    }
    page = backlogs._page("partitions", [1, 2], runs)
    assert cells(page)[1] == ["2", *["4.00 (6.00)", "2,000", "200"] * 2]
    assert "hash: the dearest takes 100% more than the cheapest." in page


def test_every_round_measures_every_point_but_the_longest_backlogs_only_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    class Fake:
        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def throughput(self, contender: object, events: int) -> Throughput:
            asked.append((str(contender), events))
            return Throughput(events, 1.0, 1.0, 1.0)

    monkeypatch.setattr(backlogs, "measuring", lambda _: Fake())
    monkeypatch.setattr(backlogs, "prepare", lambda _: None)
    backlogs.events([100, 10_000_000], SCOPE)
    assert [events for _, events in asked] == [100, 100, 10_000_000, 10_000_000, 100, 100]
    assert {who.split(",")[1].strip() for who, _ in asked} == {"hash", "packed"}


def test_several_replicas_are_compared_with_the_first() -> None:
    page = replicas._page(
        {1: Together(100_000, 6.0, 3.0, 1.0, 9.0), 2: Together(150_000, 8.0, 3.5, 1.5, 6.0)},
    )
    assert cells(page)[1] == ["2", "150,000", "1.50", "8.00", "1.50", "1.20", "3.50", "1.50", "6.0"]


def test_a_long_run_is_shown_by_the_minute_with_its_growth() -> None:
    run = steady(2, [1, 2, 3, 4], (0, 10.0, 100.0), (2, 10.5, 110.0), (4, 11.5, 121.0))
    (first, held_first), (second, held_second) = run.parts()
    assert (first.events, first.p50, first.longest, first.cpu_us, held_first) == (2, 1.5, 2, 250_000, 110)
    assert (second.events, second.p50, second.longest, second.cpu_us, held_second) == (2, 3.5, 4, 500_000, 121)
    assert run.whole().cpu_us == 375_000
    page = minutes._page(run)
    assert cells(page)[1] == ["2", "500000.0", "121", "3.5", "4.0"]


def test_rates_show_the_median_the_rate_reached_and_the_mean_over_all() -> None:
    runs = {
        (point, name): [steady(rate, [wait * waits], (0, 0.0, 1.0), (1, 5e-6, 1.0)) for rate, wait in rounds]
        for point, waits, rounds in ((10, 1, ((9, 4), (10, 300), (8, 5))), (20, 4, ((20, 5),)))
        for name in rates.SETTINGS
    }
    page = rates._page([10, 20], runs)
    assert cells(page)[0][:3] == ["10", "8", "5.0 / 5.0, 5.0"]
    assert cells(page)[2][:3] == ["all", "", "10.0 / 10.0, 5.0"]
    assert "line [5, 20]" in page


def test_a_page_names_its_sweeps_and_may_have_other_points(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = []

    def measure(points: Sequence[int], scope: Scope) -> str:
        asked.append((points, scope.backlog, scope.rounds, scope.rate, scope.batch))
        return "a table\n"

    monkeypatch.setattr(sweeps, "SWEEPS", {"rates": (measure, (1, 2)), "steady": (measure, (3,))})
    monkeypatch.setattr(sweeps, "about", lambda _: "a machine")
    words = ["sweeps", "--only", "steady", "--points", "7,8", "--events", "10", "--repeat", "2", "--rates", "50"]
    words += ["--batches", "500,4000"]
    assert program.main(words) == 0
    assert asked == [([7, 8], 30, 2, 50.0, 4000)]
    assert capsys.readouterr().out == "a machine\n\n## Steady\n\na table\n"


@pytest.mark.prove
def test_replicas_are_measured_while_they_share_the_work(measure: Measure, monkeypatch: pytest.MonkeyPatch) -> None:
    run = together(measure, SCOPE.replicas["packed"], 200_000, 1)
    assert run.rate > 0
    assert min(run.cpu_us, run.kafka_us, run.redis_us) > 0
    monkeypatch.setattr(measure.topics, "shared", lambda *_: False)
    with pytest.raises(Fatal, match="a backlog of 4,000 was over before 2 replicas shared it"):
        together(measure, SCOPE.replicas["packed"], 4000, 2)


@pytest.mark.prove
def test_a_wide_workload_has_its_columns_and_is_scored_correctly(wide_workload: Workload) -> None:
    contender = SCOPE.replicas["hash"]
    with measuring(wide_workload, 2) as measure:
        assert measure.topics.partitions == 2
        assert measure.throughput(contender, 3000).events == 3000


def test_http_clients_are_compared_with_a_run_without_clients() -> None:
    runs = {
        ("scrape", 0): http.Run(Throughput(9, 1000.0, 5.0, 200.0), Done(0, 10, 0, 0.004)),
        ("slow", 1_000): http.Run(Throughput(9, 900.0, 5.5, 201.0), Done(0, 9, 1, 0.5)),
    }
    assert cells(http._page(runs)) == [
        ["none", "1,000", "1.00", "5.00", "200", "0", "10 of 10", "4"],
        ["1,000 that are slow", "900", "0.90", "5.50", "201", "0", "9 of 10", "500"],
    ]


def test_look_ups_in_turn_and_ahead_are_compared_within_a_round() -> None:
    runs = {
        (1_000, batch, way): [round_trips.Run(Throughput(9, rate, 5.0, 200.0), us) for rate in rates]
        for batch in (500, 2_000)
        for way, us, rates in (("in turn", 8.0, (1_000.0, 3_000.0)), ("ahead", 2.0, (1_500.0, 3_300.0)))
    }
    page = round_trips._page([1_000], runs)
    assert cells(page) == [
        ["1", batch, "8.0", "2.0", "2,000", "2,400", "+30% (+10% to +50%)"] for batch in ("500", "2,000")
    ]


@pytest.mark.parametrize(("way", "polled"), [(waits.IN_TURN, None), (waits.AHEAD, "the next batch")])
def test_a_replica_notes_how_long_it_waits_for_look_ups(
    way: str, polled: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source: Any = Source
    lookups: Any = Lookups
    monkeypatch.setattr(source, "poll_ahead", lambda *_: "the next batch")
    for name in ("fetch", "prefetch"):
        monkeypatch.setattr(lookups, name, lambda *_: time.sleep(0.01))

    def replica(words: list[str]) -> int:
        assert words == ["run"]
        assert source.poll_ahead(None, None) == polled
        lookups.fetch(None, [], 0.0)
        lookups.prefetch(None, [])
        return 3

    monkeypatch.setattr(waits, "main", replica)
    assert waits.run(tmp_path / "noted", way, ["run"]) == 3
    assert float((tmp_path / "noted").read_text()) >= 0.02
