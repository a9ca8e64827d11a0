"""The flame graph, with a fake sampler that prints its arguments."""

import io
import sys
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks import flame
from benchmarks.contenders import replica
from scorer.errors import Fatal

SAMPLER = """
import pathlib, sys
if "record" in sys.argv:
    at = dict(zip(sys.argv[2::2], sys.argv[3::2]))
    pathlib.Path(at["--output"]).write_text(pathlib.Path(f"/proc/{at['--pid']}/cmdline").read_text())
"""


def use(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    monkeypatch.setattr(flame, "_tool", lambda *words: [sys.executable, "-c", code, *words])


@pytest.mark.prove
def test_the_replica_is_sampled_while_it_works(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use(monkeypatch, SAMPLER)
    told, picture = io.StringIO(), tmp_path / "flame.svg"
    assert flame.run(replica("packed", 500), 20_000, picture, Console(file=told, width=200)) == 0
    assert "scorer\0run" in picture.read_text()
    assert "a backlog of 20,000 events" in told.getvalue()


@pytest.mark.prove
def test_a_sampler_without_permission_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use(monkeypatch, "import sys; sys.exit('not permitted' if 'record' in sys.argv else 0)")
    with pytest.raises(Fatal, match="no picture was taken: not permitted"):
        flame.run(replica("packed", 500), 2_000, tmp_path / "flame.svg", Console(quiet=True))
