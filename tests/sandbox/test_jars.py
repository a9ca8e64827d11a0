import hashlib
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from scorer.errors import Unavailable
from scorer.sandbox import jars

CONTENT = {f"org/example/part{number}/1.0/part{number}-1.0.jar": b"jar %d" % number * 1000 for number in range(5)}


class Repository(SimpleHTTPRequestHandler):
    requests: list[str] = []  # noqa: RUF012  of the one server of a test

    def do_GET(self) -> None:
        self.requests.append(self.path)
        super().do_GET()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def remote(tmp_path: Path) -> Iterator[Path]:
    """A Maven repository on loopback that holds what a small lock file names, and is the user's mirror."""
    root = tmp_path / "remote"
    for path, content in CONTENT.items():
        (root / path).parent.mkdir(parents=True)
        (root / path).write_bytes(content)
    Repository.requests.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Repository, directory=str(root))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        (tmp_path / "jgo.conf").write_text(f"[repositories]\ncentral = http://127.0.0.1:{server.server_port}\n")
        yield root
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user with an empty cache, an empty local Maven repository, and a mirror where nobody listens."""
    (tmp_path / "jgo.conf").write_text("[repositories]\ncentral = http://127.0.0.1:9\n")
    lock = tmp_path / "kafka.lock"
    lines = [f"{path} {hashlib.sha256(content).hexdigest()} {len(content)}" for path, content in CONTENT.items()]
    lock.write_text("# A comment.\n" + "\n".join(lines) + "\n")
    monkeypatch.setattr(jars, "_LOCK", lock)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("M2_REPO", str(tmp_path / "m2"))
    monkeypatch.setenv("JGO_CONFIG_FILE", str(tmp_path / "jgo.conf"))


def contents(files: list[Path]) -> list[bytes]:
    return [file.read_bytes() for file in files]


def test_jars_are_fetched_once_from_the_configured_mirror(remote: Path) -> None:
    assert contents(jars.class_path()) == list(CONTENT.values())
    assert {path for path in Repository.requests if path.endswith(".jar")} == {f"/{path}" for path in CONTENT}
    Repository.requests.clear()
    assert contents(jars.class_path()) == list(CONTENT.values())
    assert Repository.requests == []
    assert remote.exists()


@pytest.mark.usefixtures("remote")
def test_only_the_damaged_jar_in_the_cache_is_fetched_again() -> None:
    damaged = jars.class_path()[2]
    damaged.write_bytes(b"half of it")
    Repository.requests.clear()
    assert contents(jars.class_path()) == list(CONTENT.values())
    assert [path for path in Repository.requests if path.endswith(".jar")] == [f"/{list(CONTENT)[2]}"]


@pytest.mark.usefixtures("remote")
def test_concurrent_fetches_do_not_interfere() -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: contents(jars.class_path()), range(4)))
    assert found == [list(CONTENT.values())] * 4
    assert sorted(file.name for file in jars.cache_folder().iterdir()) == sorted(Path(path).name for path in CONTENT)


def test_the_local_maven_repository_suffices_and_is_left_unchanged(tmp_path: Path) -> None:
    for path, content in CONTENT.items():
        (tmp_path / "m2" / path).parent.mkdir(parents=True)
        (tmp_path / "m2" / path).write_bytes(content)
    assert contents(jars.class_path()) == list(CONTENT.values())
    assert all((tmp_path / "m2" / path).read_bytes() == content for path, content in CONTENT.items())


@pytest.mark.usefixtures("remote")
def test_a_damaged_local_maven_repository_is_ignored(tmp_path: Path) -> None:
    path = next(iter(CONTENT))
    (tmp_path / "m2" / path).parent.mkdir(parents=True)
    (tmp_path / "m2" / path).write_bytes(b"not a jar")
    assert contents(jars.class_path()) == list(CONTENT.values())


def test_content_that_differs_from_the_lock_file_is_refused(remote: Path) -> None:
    path = next(iter(CONTENT))
    (remote / path).write_bytes(b"from somebody else")
    with pytest.raises(Unavailable, match=r"part0-1\.0\.jar: .* does not have the sha256 in kafka\.lock"):
        jars.class_path()
    assert not (jars.cache_folder() / Path(path).name).exists()


def test_without_a_network_the_error_says_what_to_do() -> None:
    with pytest.raises(Unavailable) as raised:
        jars.class_path()
    text = str(raised.value)
    assert text.startswith("Kafka could not be fetched: org/example/part")
    for advice in ("Connect to the network", str(jars.cache_folder()), "HTTPS_PROXY", "jgo.conf"):
        assert advice in text
    assert list(jars.cache_folder().iterdir()) == []


def test_the_lock_file_pins_every_jar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    locked = jars.locked_jars()
    assert len({jar.path.name for jar in locked}) == len(locked) > 20
    for jar in locked:
        *_, artifact, version, name = jar.path.parts
        assert name == f"{artifact}-{version}.jar"
        assert re.fullmatch("[0-9a-f]{64}", jar.sha256)
        assert jar.size > 0
    assert sum(jar.path.name.startswith("kafka") and "4.1.0" in jar.path.name for jar in locked) > 10
