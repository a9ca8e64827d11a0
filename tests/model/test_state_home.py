"""The home of a roll-out state in an object store, on a server with the interface of S3."""

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from scorer.errors import Misconfigured, RepositoryUnavailable
from scorer.model import file_home
from scorer.model.repositories.state_home import ObjectHome
from scorer.rollout import Change, Conflict, Held, Home, State
from tests.model.s3 import BUCKET, S3, serving

FIRST = State(champion="1")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    with serving(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def url(server: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    server.introduce(monkeypatch, tmp_path / "cache")
    monkeypatch.setattr("scorer.rollout.paced.LOOK_SECONDS", 0.2)
    return f"s3://{BUCKET}/{uuid.uuid4().hex}/delays"


def put(server: S3, url: str, text: str) -> None:
    server.files().pipe_file(f"{url}/rollout.yaml", text.encode())


def change(held: Held, champion: str) -> Change:
    return held.next("promote", State(champion=champion), held.state or FIRST, by="a@b")


def write(home: Home, champion: str) -> None:
    held = home.read()
    home.write(change(held, champion), held)


def test_what_was_written_is_read_by_others_and_followed(url: str) -> None:
    follower = file_home(url)
    assert follower.location == f"{url}/rollout.yaml"
    assert follower.read().state is None
    for version in ("2", "1e3"):
        write(file_home(url), version)
        assert follower.wait(30).state == State(champion=version)
    assert [(each.revision, str(each.after)) for each in follower.read().history] == [(1, "2"), (2, "1e3")]


def test_the_object_is_read_again_only_if_it_changed(server: S3, url: str) -> None:
    put(server, url, "champion: '2'\n")
    home = file_home(url)
    before = home.read()
    assert all(home.read() is before for _ in range(3))
    assert server.log.read_text().count(f"GET /{url.removeprefix('s3://')}/rollout.yaml") == 1
    server.files().rm_file(f"{url}/rollout.yaml")
    assert home.read().state is None


@pytest.mark.parametrize("existing", ["", "champion: '1'\n"])
def test_of_changes_at_the_same_time_one_is_made(server: S3, url: str, existing: str) -> None:
    if existing:
        put(server, url, existing)
    stale, together = file_home(url).read(), Barrier(4)

    def try_to(number: int) -> str:
        home = file_home(url)
        together.wait(30)
        try:
            home.write(change(stale, f"v{number}"), stale)
        except Conflict as refused:
            return str(refused)
        return ""

    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(try_to, range(4)))
    assert made.count("") == 1
    assert file_home(url).read().state == State(champion=f"v{made.index('')}")
    assert all("was changed at the same time: revision 1 by a@b" in said for said in made if said)


def test_an_edit_by_hand_is_not_overwritten(server: S3, url: str) -> None:
    home = file_home(url)
    write(home, "2")
    held = home.read()
    put(server, url, "champion: '7'\n")
    with pytest.raises(Conflict):
        home.write(change(held, "3"), held)
    assert home.read().state == State(champion="7")


@pytest.mark.parametrize("existing", ["", "champion: '1'\n"])
def test_a_change_between_the_last_look_and_the_write_is_not_overwritten(
    server: S3, url: str, existing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if existing:
        put(server, url, existing)
    home = ObjectHome(url)
    held, look = home.read(), home._content  # what is last read before the write

    def content() -> bytes:
        found: bytes = look()
        monkeypatch.undo()
        put(server, url, "champion: '7'\n")
        return found

    monkeypatch.setattr(home, "_content", content)
    with pytest.raises(Conflict):
        home.write(change(held, "3"), held)
    assert server.files().cat_file(f"{url}/rollout.yaml") == b"champion: '7'\n"


def test_what_is_no_state_is_refused_with_its_address_and_then_read_again(server: S3, url: str) -> None:
    home = file_home(url)
    put(server, url, "champion: 2")
    for _ in range(2):
        with pytest.raises(Misconfigured, match=rf"{url}/rollout\.yaml: champion: found 2"):
            home.read()
    put(server, url, "champion: '2'")
    assert home.read().state == State(champion="2")


def test_a_store_that_is_unavailable_is_no_empty_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(tmp_path / "s3") as server:
        server.introduce(monkeypatch, tmp_path / "cache")
        monkeypatch.setattr("scorer.rollout.paced.LOOK_SECONDS", 0.0)
        url = f"s3://{BUCKET}/delays"
        home = file_home(url)
        write(home, "2")
    with pytest.raises(RepositoryUnavailable, match=url):
        home.wait(0)


def test_only_s3_is_trusted_to_refuse_a_change_of_what_somebody_else_has_changed() -> None:
    home = file_home(f"memory://{uuid.uuid4().hex}/delays")
    held = home.read()
    with pytest.raises(Misconfigured, match="only S3 is known to refuse it if somebody else has changed it"):
        home.write(change(held, "2"), held)
