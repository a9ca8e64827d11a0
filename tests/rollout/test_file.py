"""The home of a roll-out state in a file: replaced whole, against what was read."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from scorer.errors import Fatal, Misconfigured
from scorer.rollout import Conflict, FileHome, State, file
from scorer.rollout.changes import restored

FIRST = State(champion="1")


def write(home: FileHome, champion: str) -> None:
    held = home.read()
    home.write(held.next("promote", State(champion=champion), held.state or FIRST, by="a@b"), held)


def test_what_was_written_is_read_by_others(tmp_path: Path) -> None:
    assert FileHome(tmp_path).read().state is None
    for version in ("2", "1e3", "no"):
        write(FileHome(tmp_path), version)
        assert FileHome(tmp_path).read().state == State(champion=version)
    history = FileHome(tmp_path).read().history
    assert [(change.revision, str(change.before), str(change.after)) for change in history] == [
        (1, "1", "2"),
        (2, "2", "1e3"),
        (3, "1e3", "no"),
    ]
    assert {path.name for path in tmp_path.iterdir()} == {"rollout.yaml", ".rollout.lock"}


def test_of_changes_at_the_same_time_one_is_made(tmp_path: Path) -> None:
    def try_to(number: int) -> str:
        home = FileHome(tmp_path)
        try:
            home.write(stale.next("promote", State(champion=f"v{number}"), FIRST, by=f"{number}@b"), stale)
        except Conflict as refused:
            return str(refused)
        return ""

    for _ in range(20):
        (tmp_path / "rollout.yaml").unlink(missing_ok=True)
        stale = FileHome(tmp_path).read()
        with ThreadPoolExecutor(4) as pool:
            made = list(pool.map(try_to, range(4)))
        assert made.count("") == 1
        assert FileHome(tmp_path).read().state == State(champion=f"v{made.index('')}")
        assert all("was changed at the same time: revision 1 by " in said for said in made if said)


def test_an_edit_by_hand_is_not_overwritten(tmp_path: Path) -> None:
    home = FileHome(tmp_path)
    write(home, "2")
    held = home.read()
    (tmp_path / "rollout.yaml").write_text("champion: '7'\n")
    with pytest.raises(Conflict):
        home.write(held.next("promote", State(champion="3"), State(champion="2"), by="a@b"), held)
    assert home.read().state == State(champion="7")
    write(home, "3")
    assert [str(change.before) for change in home.read().history] == ["7"]


def test_wait_returns_when_the_file_changes(tmp_path: Path) -> None:
    home = FileHome(tmp_path)
    home.read()
    write(FileHome(tmp_path), "2")
    assert home.wait(30).state == State(champion="2")
    assert home.wait(0).state == State(champion="2")


def test_a_file_that_is_no_state_is_refused_with_its_name_and_then_read_again(tmp_path: Path) -> None:
    home, path = FileHome(tmp_path), tmp_path / "rollout.yaml"
    for content, words in (("[", "is not YAML"), ("champion: 2", "found 2"), ("champion: a\nchampion: b", "duplicate")):
        path.write_text(content)
        with pytest.raises(Misconfigured) as refused:
            home.read()
        assert str(path) in str(refused.value)
        assert words in str(refused.value)
    path.write_text("champion: '2'")
    assert home.read().state == State(champion="2")


def test_the_file_keeps_the_last_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file, "KEPT", 3)
    home = FileHome(tmp_path)
    for number in range(5):
        write(home, f"v{number}")
    history = home.read().history
    assert [change.revision for change in history] == [3, 4, 5]
    assert restored(history, 2) == State(champion="v1"), "the state before the first that was kept"


def test_a_folder_that_is_not_there_is_a_failure(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match=r"cannot write .*nothing was changed"):
        write(FileHome(tmp_path / "absent"), "2")
