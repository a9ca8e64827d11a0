from types import SimpleNamespace

import pytest

from scorer.cli.shown import progress


def test_off_a_terminal_progress_is_an_occasional_plain_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [0.0]
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: now[0]))
    with progress.counting("events produced") as show:
        for second in range(26):
            now[0] = float(second)
            show(second * 1000)
    said = capsys.readouterr()
    assert said.err.splitlines() == ["10,000 events produced so far", "20,000 events produced so far"]
    assert said.out == ""


def test_on_a_terminal_progress_is_live_and_erased_at_the_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(progress, "SHOW_SECONDS", 0.0)
    with progress.counting("events produced") as show:
        show(12_345)
    said = capsys.readouterr().err
    assert "12,345 events produced" in said
    assert said.endswith("\x1b[2K"), "the line is erased"


def test_known_work_shows_its_speed_and_the_time_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [0.0]
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: now[0]))
    with progress.working("rows scored", 10_000) as show:
        for second in range(4, 30):  # it takes four seconds to start
            now[0] = float(second)
            show(second * 1000, second * 2)
    said = capsys.readouterr()
    assert said.err.splitlines() == [
        "10,000 rows scored so far, 1,000/s, 1:23:10 left",
        "20,000 rows scored so far, 1,000/s, 1:23:00 left",
    ]
    assert said.out == ""


def test_known_work_is_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(progress, "SHOW_SECONDS", 0.0)
    with progress.working("rows scored", 3) as show:
        show(5, 1)
        show(12_345, 2)
    said = capsys.readouterr().err
    assert "12,345 rows scored" in said
    assert "left" in said
    assert said.endswith("\x1b[2K"), "the line is erased"
