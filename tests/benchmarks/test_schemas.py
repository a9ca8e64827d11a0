"""The table of schemas that change, of times that mean nothing, and what it decodes."""

import io
from contextlib import ExitStack

import pytest
from rich.console import Console

from benchmarks import schemas


@pytest.mark.parametrize("writers", [0, *schemas.WRITERS])
def test_every_event_is_decoded_whatever_its_writer(writers: int) -> None:
    events = schemas.decoding(24, writers)()
    assert not events.rejected
    assert events.columns["distance"].values.tolist() == list(range(24))
    assert events.columns["seats"].values.tolist() == [150] * 24


def test_every_flight_is_scored_by_whichever_writer() -> None:
    with schemas.served() as (serving, flights), ExitStack() as stack:
        calls = [stack.enter_context(schemas.scoring(serving, flights, 40, writers)) for writers in (0, 8)]
        alone, mixed = (call() for call in calls)
    assert alone.rows.tolist() == list(range(40))
    assert alone.data == mixed.data


def test_each_size_has_a_row(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(schemas, "SECONDS", 0)
    monkeypatch.setattr(schemas, "WHOLE_SECONDS", 0)
    assert schemas.run(Console(file=io.StringIO())) == 0
    table = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert len(table) == 2 + 2 * len(schemas.ROWS)
