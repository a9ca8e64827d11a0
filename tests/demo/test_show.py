import io
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from scorer.demo import stage, stream
from scorer.demo.show import Show, Story, describe
from scorer.demo.traffic import Sender, Watcher
from scorer.sandbox.replica import Replica
from tests.demo.conftest import Flights

MODEL = Path(__file__).parents[2] / "models/flight-delays/1/model.ubj"
NOWHERE = "127.0.0.1:1"


class Named(Replica):
    """A replica that was never started."""

    def __post_init__(self) -> None:
        self.pid = 4242


@pytest.fixture
def watcher(data: Flights) -> Watcher:
    """One who has seen half of 200 events, three of them twice, and a dead letter."""
    sender = Sender(
        NOWHERE, stage.EVENTS, stream.make(200, data.later, data.loaded, {"1": MODEL}), 100, stage.PARTITIONS
    )
    watcher = Watcher(NOWHERE, (stage.PREDICTIONS, stage.DEAD_LETTERS), sender, list(data.loaded))
    events = np.flatnonzero(sender.stream.flight >= 0)[:100].tolist()
    watcher.numbers = events + events[:3]
    watcher.versions, watcher.arms = ["1"] * 103, ["champion"] * 103
    watcher.scores = [0.72] * 103
    watcher.missing = [0] * 99 + [0b101] + [0] * 3
    watcher.waits = [(number, 10) for number in events]
    watcher.rejected = [(15, "truncated", True)]
    watcher.outcomes = 101
    watcher.finished, sender.arrived = [20] * 6, [20, 20, 20, 20, 20, 1_234 + 20]
    return watcher


def shown(watcher: Watcher, width: int = 110) -> str:
    story = Story(Console(quiet=True))
    story.add("a replica was killed")
    show = Show(story, "the title", watcher, [Named("replica-1", Path(), Path(), "killed")])
    show.look()
    console = Console(width=width, file=io.StringIO(), force_terminal=True, color_system=None)
    with console.capture() as captured:
        console.print(show.view())
    return captured.get()


def test_the_view_shows_progress_latency_and_replicas(watcher: Watcher) -> None:
    text = shown(watcher)
    for part in ("the title", "101 of 212", "p50 10 ms", "1,234", "replica-1", "pid 4242", "killed", "1 truncated"):
        assert part in text
    assert "72% likely to be late (plane, weather unknown)" in text
    assert "a replica was killed" in text


@pytest.mark.parametrize("width", [60, 80, 200])
def test_the_view_fits_the_terminal(watcher: Watcher, width: int) -> None:
    assert max(map(len, shown(watcher, width).splitlines())) <= width


def test_an_empty_view_can_be_shown(data: Flights) -> None:
    sender = Sender(NOWHERE, stage.EVENTS, stream.make(5, data.later, data.loaded, {"1": MODEL}), 100, stage.PARTITIONS)
    text = shown(Watcher(NOWHERE, ("a", "b"), sender, list(data.loaded)))
    assert "none yet" in text
    assert "p50 -  p99 -" in text


def test_off_a_terminal_a_plain_line_shows_the_state(watcher: Watcher, capsys: pytest.CaptureFixture[str]) -> None:
    with Show(Story(Console(stderr=True, width=300)), "the title", watcher, []) as show:
        show.look()
        show.look()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("101 of 212 done") == 1
    assert "lag 1,234" in captured.err


def test_a_flight_is_described_in_words(data: Flights) -> None:
    made = stream.make(3, data.later, data.loaded, {"1": MODEL})
    number = made.expected.ids.index("UA1545-2013-09-01-EWR")
    assert describe(made, number) == "UA 1545 EWR→IAH 05:16, plane N57869, left 8 min early"
