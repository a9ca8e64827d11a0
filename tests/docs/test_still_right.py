"""The page on a model that is right no longer: its commands are run as they stand there, and print what it shows."""

import re
from pathlib import Path

import pyarrow.parquet
import pytest

from tests.docs.ship import RIGHT, Shown, masked, play

_CHANGED = re.compile(r"^(\w+ +[\d.]+ .*?%(?:  drifts since)?).*", re.MULTILINE)
_SEGMENT = re.compile(r"^app +(\w+) app +champion (\d) +6,000 +([\d.]+) +([\d.]+) to ([\d.]+)$", re.MULTILINE)


def plain(text: str, command: str) -> list[str]:
    """Return what is the same in each run: rows of drift change their order, shares and quantiles."""
    if "drift" not in command:
        return masked(text)
    named = re.sub(r"^baseline [0-9a-f]+", "baseline ID", text, flags=re.MULTILINE)
    return sorted(masked(_CHANGED.sub(r"\1", named)))


@pytest.mark.prove  # two dozen commands, each a process of its own
def test_every_command_of_the_page_works_and_prints_what_the_page_shows(tmp_path: Path) -> None:
    places = play(RIGHT.read_text(), tmp_path)
    for each in places:
        now, page = plain(each.said, each.command), plain(each.text, each.command)
        assert page == now, "python -m tests.docs.ship still-right writes the page anew"
    calm, bad, calm_again = (each.said for each in places if "cat drift.txt" in each.command)
    assert "drifts since" not in calm + calm_again
    outside = re.search(r"^amount .* ([\d.]+)% out of range", bad, re.MULTILINE)
    assert outside is not None
    assert float(outside[1]) > 90, "of the amounts in cents, few are in the range of the dollars"
    check_quality(places)
    rows = pyarrow.parquet.read_table(tmp_path / "rows.parquet")
    assert {name.partition("-")[0] for name in rows["event_id"].to_pylist()} == {"tuesday"}
    assert set(rows["version"].to_pylist()) == {"1"}


def check_quality(places: list[Shown]) -> None:
    """The last report tells the model before the change, after it, and the new one apart by their intervals."""
    found = {(app, version): [*map(float, numbers)] for app, version, *numbers in _SEGMENT.findall(places[-1].said)}
    before, after, new = (found[key] for key in (("old", "1"), ("new", "1"), ("new", "2")))
    assert before[0] > 0.98
    assert new[0] > 0.98
    assert after[0] < 0.8
    assert after[2] < min(before[1], new[1])


def test_the_id_of_a_baseline_may_differ_and_its_source_may_not() -> None:
    first, second = ("baseline 34f102b6, 20,000 rows, of the model", "baseline 0a1e2b3c, 19,000 rows, of the model")
    assert plain(first, "drift") == plain(second, "drift")
    assert plain(first, "drift") != plain(second.replace("of the model", "of the stream"), "drift")


def test_a_row_may_have_another_place_and_another_share_and_not_another_verdict() -> None:
    rows = [
        "amount  0.2  ██··  ▁▁  0.0%  drifts since 10:11:12, 99% out of range",
        "hour  0.1  █···  ▁█  0.0%  0.2% out of range",
    ]
    assert plain("\n".join(rows), "drift") == ["amount 0 0 drifts since", "hour 0 0"]
    assert plain("\n".join(reversed(rows)), "drift") == plain("\n".join(rows), "drift")
    assert plain(rows[0], "drift") != plain(rows[0].replace("drifts since", "is calm"), "drift")
