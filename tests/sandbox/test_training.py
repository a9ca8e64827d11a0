import fcntl
from pathlib import Path

import pytest

from scorer.sandbox import Kafka, java, training


@pytest.fixture
def locks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the lock of the training is."""
    return tmp_path_factory.mktemp("locks")


@pytest.fixture
def cache(tmp_path: Path, locks: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the start-up cache of this test is; there is none yet, and no other process makes one."""
    file = tmp_path / "startup-test.aot"
    monkeypatch.setattr(java, "startup_cache", lambda: file)
    monkeypatch.setattr(training, "cache_folder", lambda: locks)
    return file


@pytest.mark.prove
def test_training_creates_a_cache_that_java_can_start_with(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "_PRIORITY", ())  # on a busy machine it would wait for the other tests
    training._train()
    assert cache.stat().st_size > 1_000_000
    assert list(tmp_path.iterdir()) == [cache]
    with Kafka(tmp_path / "kafka") as server:
        assert f"-XX:AOTCache={cache}" in server._command()
        assert b"[aot]" not in server.log.read_bytes()  # where Java complains of it


def test_only_one_process_trains_at_a_time(cache: Path, locks: Path) -> None:
    with (locks / "training.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        training._train()
    assert not cache.exists()


def test_an_unusable_cache_is_ignored(cache: Path, tmp_path: Path) -> None:
    cache.write_bytes(b"no cache at all")
    with Kafka(tmp_path / "kafka") as server:
        assert server.running


class CrashesWithCache(Kafka):
    """Java, where a cache is damaged in the middle."""

    def _command(self) -> list[str]:
        crash = "echo '# A fatal error has been detected by the Java Runtime Environment:'; kill -ABRT $$"
        return ["sh", "-c", crash] if java.startup_cache().exists() else super()._command()


def test_a_cache_that_crashes_java_is_removed_and_the_broker_starts(cache: Path, tmp_path: Path) -> None:
    cache.write_bytes(b"damaged")
    with CrashesWithCache(tmp_path / "kafka") as server:
        assert server.running
    assert not cache.exists()


def test_caches_of_deleted_environments_are_removed(cache: Path, tmp_path: Path) -> None:
    for age in range(4):
        (tmp_path / f"startup-{age}.aot").write_bytes(b"old")
    result = tmp_path / "result"
    result.write_bytes(b"new")
    training._keep(result)
    assert cache.read_bytes() == b"new"
    assert len(list(tmp_path.glob("startup-*.aot"))) == 2
