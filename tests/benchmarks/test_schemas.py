"""The table of schemas that change, of times that mean nothing, and what it decodes."""

import io

import pytest
from rich.console import Console

from benchmarks import schemas


@pytest.mark.parametrize("writers", [0, *schemas.WRITERS])
def test_every_event_is_decoded_by_whichever_writer(writers: int) -> None:
    events = schemas.decoding(24, writers)()
    assert not events.rejected
    assert events.columns["distance"].values.tolist() == list(range(24))
    assert events.columns["seats"].values.tolist() == [150] * 24


def test_each_size_has_a_row(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(schemas, "SECONDS", 0)
    assert schemas.run(Console(file=io.StringIO())) == 0
    table = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert len(table) == 2 + len(schemas.ROWS)
