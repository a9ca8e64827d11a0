"""What tests fetch once, and keep beside the jars of the sandbox."""

import hashlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from jgo.config import GlobalSettings
from jgo.maven import MavenContext

from scorer.sandbox.jars import cache_folder


def fetched(name: str, fetch: Callable[[Path], Path]) -> Path:
    """Return a folder of this name, which appears whole or not at all; two processes may fetch it at once.

    Args:
        name: says which version it is.
        fetch: fetches into an empty folder, and returns the folder inside of it that is kept.
    """
    folder = cache_folder() / name
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="fetch-") as temporary:
        unpacked = fetch(Path(temporary))
        with suppress(OSError):  # another process was first
            unpacked.rename(folder)
    return folder


def debian(name: str, *wanted: str) -> Path:
    """Return a folder with packages of Debian and those of their dependencies that this machine lacks.

    They are unpacked without being installed, so this needs no rights.

    Args:
        name: of what they are for.
        wanted: the packages.
    """

    def fetch(temporary: Path) -> Path:
        state, root = temporary / "apt", temporary / "root"
        for folder in (state / "lists/partial", state / "archives/partial", root):
            folder.mkdir(parents=True)
        places = (f"Dir::State::Lists={state}/lists", f"Dir::Cache={state}", f"Dir::Cache::archives={state}/archives")
        apt = ["apt-get", "-qq", *(word for place in (*places, "Debug::NoLocking=1") for word in ("-o", place))]
        for words in (["update"], ["install", "--download-only", "-y", "--no-install-recommends", *wanted]):
            done = subprocess.run([*apt, *words], capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout + done.stderr
        for package in sorted((state / "archives").glob("*.deb")):
            subprocess.run(["dpkg-deb", "-x", str(package), str(root)], check=True)  # noqa: S607  Debian's own
        return root

    return fetched(name, fetch)


def from_maven(
    temporary: Path, artifacts: Iterable[tuple[str, str, str, str]], classifier: str = "", packaging: str = "jar"
) -> Path:
    """Return a folder with artifacts of a Maven repository, each under its name; they are checked by their hashes.

    Args:
        temporary: where they may be put.
        artifacts: the group, name, version and sha256 of each.
        classifier: of all of them.
        packaging: of all of them.
    """
    settings = GlobalSettings.load()
    maven = MavenContext(repo_cache=temporary / "maven", local_repos=[settings.repo_cache])
    maven.remote_repos.update(settings.repositories)
    made = temporary / "made"
    made.mkdir()
    for group, name, version, sha256 in artifacts:
        file = maven.project(group, name).at_version(version).artifact(classifier, packaging).resolve()
        with file.open("rb") as content:
            assert hashlib.file_digest(content, "sha256").hexdigest() == sha256, file
        shutil.copy(file, made / f"{name}.{packaging}")
    return made


def packages(name: str, lock: Path) -> Path:
    """Return a folder for PYTHONPATH with the packages of a lock file, which are checked by their hashes.

    Args:
        name: of what they are for.
        lock: requirements with hashes.
    """

    def fetch(temporary: Path) -> Path:
        uv = [str(Path(sys.executable).with_name("uv")), "pip", "install", "--quiet", "--python", sys.executable]
        target = temporary / "packages"
        words = [*uv, "--target", str(target), "--require-hashes", "-r", str(lock)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return target

    return fetched(f"{name}-{hashlib.sha256(lock.read_bytes()).hexdigest()[:16]}", fetch)
