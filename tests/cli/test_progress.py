from types import SimpleNamespace

import pytest

from scorer.cli import progress


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
