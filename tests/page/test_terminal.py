import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from scorer.page.feed import Feed
from scorer.page.terminal import BLOCKS, line, screen, sparkline
from scorer.page.view import Document, Known, Offsets, PartitionOffsets
from tests.page.scene import GROUP, MODEL, Scene


def document(scene: Scene, known: Known | None = None) -> Document:
    """The document of a scene that has told something for a minute."""
    scene.past(60)
    feed = Feed(known or Known(GROUP, MODEL), scene.shelf.open, scene.chapters())
    scene.shelf.open(feed).read()
    feed.tick()
    return feed.document()


def drawn(document: Document, width: int = 80, height: int | None = None) -> list[str]:
    console = Console(width=width, file=io.StringIO(), record=True)
    console.print(screen(document, width, height))
    return console.export_text().splitlines()


@pytest.fixture(scope="module")
def busy() -> Document:
    return document(Scene(replicas=9, partitions=64, columns=40, drifting={"column_007"}, quality=True))


def test_the_whole_group_fits_in_80_columns(busy: Document) -> None:
    lines = drawn(busy)
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    for word in ("events/s", "p99", "REPLICA", "and 4 more replicas", "and 56 more partitions", "champion", "canary"):
        assert word in text
    for word in ("column_007", "drifts", "AUC", "0.8980 to 0.9250", "bad-value", "flights-1-77"):
        assert word in text


@pytest.mark.parametrize("height", [10, 24, 30, 50])
def test_the_screen_has_no_more_lines_than_the_terminal(busy: Document, height: int) -> None:
    assert len(drawn(busy, height=height)) < height


def test_long_names_are_cut(busy: Document) -> None:
    long = json.loads(json.dumps(busy).replace("replica-", "replica-with-a-name-that-goes-on-and-on-").replace(
        "column_", "a_column_with_a_name_that_is_longer_than_a_screen_wants_"
    ))  # fmt: skip
    assert max(map(len, drawn(long))) <= 80


def test_control_characters_in_names_do_not_reach_the_terminal(busy: Document) -> None:
    hostile = json.loads(json.dumps(busy).replace("replica-1", "\\u001b[2Jreplica-1").replace("champion", "\\u0007"))
    hostile["dead_letters"][0]["reason"] = "\x1b]52;c;aGk=\x07"
    text = "\n".join([*drawn(hostile), line(hostile)])
    assert "\x1b" not in text
    assert "\x07" not in text


def test_a_group_that_tells_nothing_is_shown_by_its_offsets_and_says_what_is_missing() -> None:
    offsets = Offsets("stable", [PartitionOffsets("flights", 0, 50, "member-1")], 100.0)
    known = Known(GROUP, MODEL, {"replicas": "Set `monitor.topic`.", "drift": "Set `monitor.topic`."}, offsets)
    lines = drawn(document(Scene(replicas=0), known))
    assert "1 replica in the group, which is stable" in lines[0]
    assert any(words.split() == ["flights-0", "█" * 20, "50", "member-1"] for words in lines)
    assert lines[-1].strip() == "no replicas, drift: Set monitor.topic."


def test_a_line_has_the_key_figures(busy: Document) -> None:
    words = line(busy)
    assert "events/s  p50 " in words
    assert "\n" not in words


@given(st.lists(st.none() | st.floats(0, 1e9), max_size=700), st.integers(1, 60))
def test_a_sparkline_is_as_long_as_asked_and_highest_at_the_maximum(values: list[float | None], points: int) -> None:
    shown = sparkline(values, points)
    assert len(shown) == points
    assert set(shown) <= set(" " + BLOCKS)
    if len(values) <= points and any(values):
        assert BLOCKS[-1] in shown


def test_a_sparkline_has_a_blank_where_nothing_is_known() -> None:
    assert sparkline([None, 0.0, 4.0, 8.0], 5) == "  ▁▅█"
    assert sparkline([1.0, 2.0], 2, least=8.0) == "▂▃"
