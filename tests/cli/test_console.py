import pytest

from scorer.cli.console import console


@pytest.mark.parametrize("text", ["weather:X:2013", "a [bold]key[/bold]", f"{'long ' * 40}line", "[/nothing]"])
def test_text_is_printed_as_it_is(capsys: pytest.CaptureFixture[str], text: str) -> None:
    console().print(text)
    console(stderr=False).print(text)
    assert capsys.readouterr() == (f"{text}\n", f"{text}\n")
