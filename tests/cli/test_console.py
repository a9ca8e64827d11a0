import io
import re

import pytest
from rich.text import Text

from scorer.cli.lifecycle.failures import usage
from scorer.cli.shown.console import console
from scorer.cli.shown.table import aligned

HOSTILE = "a\x1b[2J\x1b]52;c;aGk=\x07\x9b\x7f\r\u202eb"
HARMLESS = r"a\x1b[2J\x1b]52;c;aGk=\x07\x9b\x7f\r\u202eb"


@pytest.mark.parametrize("text", ["weather:X:2013", "a [bold]key[/bold]", f"{'long ' * 40}line", "[/nothing]"])
def test_text_is_printed_unchanged(capsys: pytest.CaptureFixture[str], text: str) -> None:
    console().print(text)
    console(stderr=False).print(text)
    assert capsys.readouterr() == (f"{text}\n", f"{text}\n")


@pytest.mark.parametrize("shown", [HOSTILE, Text(HOSTILE.replace("\x07", "")), Text("x", "red").append(HOSTILE)])
def test_control_characters_are_printed_escaped(capsys: pytest.CaptureFixture[str], shown: str | Text) -> None:
    console(stderr=False).print(shown, style="red")
    said = capsys.readouterr().out
    assert said.removesuffix("\n").isprintable()
    assert r"\x1b[2J\x1b]52;c;aGk=" in said


def test_styles_are_kept_around_escaped_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    terminal = console()
    terminal.file = io.StringIO()
    terminal.print(Text.assemble(("a\x1bb", "red"), "c"))
    shown = terminal.file.getvalue()
    assert re.sub(r"\x1b\[[0-9;]*m", "", shown) == "a\\x1bbc\n"
    assert shown.startswith("\x1b[31ma")
    assert shown.endswith("b\x1b[0mc\n")


def test_the_cells_of_a_table_stay_on_their_lines() -> None:
    assert aligned(("A", "B"), [("x\ny", "\x1bz")]) == ["A     B", "x\\ny  \\x1bz"]


def test_an_error_escapes_control_characters_in_quoted_text(capsys: pytest.CaptureFixture[str]) -> None:
    usage(f"{HOSTILE}\nnext")
    assert capsys.readouterr().err == f"error: {HARMLESS}\nnext\n"
