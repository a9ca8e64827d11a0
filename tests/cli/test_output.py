"""Output files are either complete or unchanged."""

import os
import stat
from pathlib import Path

import pytest

from scorer.cli.written.output import replacing
from scorer.errors import Fatal, Misconfigured


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "out.jsonl"
    file.write_text("before")
    file.chmod(0o640)
    return file


def parts(file: Path) -> list[Path]:
    return [each for each in file.parent.iterdir() if each.name.endswith(".part")]


def test_a_file_is_replaced_once_the_output_is_complete(file: Path) -> None:
    with replacing(file, "--output") as out:
        out.write("after")
        out.flush()
        assert file.read_text() == "before"
    assert (file.read_text(), parts(file)) == ("after", [])
    assert stat.S_IMODE(file.stat().st_mode) == 0o640


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_file_is_unchanged_if_anything_fails(file: Path, error: type[BaseException]) -> None:
    def fail() -> None:
        with replacing(file, "--output") as out:
            out.write("after")
            raise error

    with pytest.raises(error):
        fail()
    assert (file.read_text(), parts(file)) == ("before", [])


def test_a_symlink_still_points_to_its_file(file: Path) -> None:
    link = file.with_name("link")
    link.symlink_to(file.name)
    with replacing(link, "--output") as out:
        out.write("after")
    assert link.is_symlink()
    assert file.read_text() == "after"


def test_a_pipe_or_a_device_is_written_directly(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with replacing(pipe, "--output") as out:
        out.write("now")
        out.flush()
        assert os.read(reader, 100) == b"now"
    os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    with replacing(Path("/dev/null"), "--output") as out:
        out.write("nothing")
    assert not Path("/dev/null").is_file()


def test_a_file_that_cannot_be_replaced_is_overwritten(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError(16, "Device or resource busy")))
    with replacing(file, "--output") as out:
        out.write("after")
    assert (file.read_text(), parts(file)) == ("after", [])


def test_a_full_disk_is_reported() -> None:
    def fill() -> None:
        with replacing(Path("/dev/full"), "--output") as out:
            out.write("x" * 10**6)

    with pytest.raises(Fatal, match="/dev/full cannot be written: No space left on device"):
        fill()


@pytest.mark.parametrize("name", ["no/folder/out.jsonl", "."])
def test_a_file_that_cannot_be_opened_is_wrong_usage(tmp_path: Path, name: str) -> None:
    with (
        pytest.raises(Misconfigured, match=r"--output: .* cannot be written: "),
        replacing(tmp_path / name, "--output"),
    ):
        pass
