"""The jars of Kafka, pinned by the lock file next to this module: fetched once per user, checked at every start."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from jgo.config import GlobalSettings
from jgo.maven import MavenContext
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from scorer.errors import Unavailable

_LOCK = Path(__file__).with_name("kafka.lock")
_THREADS = 8


@dataclass(frozen=True, slots=True)
class Jar:
    """One line of the lock file."""

    path: PurePosixPath  # in a Maven repository
    sha256: str  # hexadecimal
    size: int  # bytes

    def is_intact(self, file: Path) -> bool:
        """Whether the file exists and has the right content."""
        return file.is_file() and hashlib.sha256(file.read_bytes()).hexdigest() == self.sha256

    def resolve(self, maven: MavenContext) -> Path:
        """Return the file from a local repository of `maven`, or fetch it into the cache of `maven`."""
        *group, artifact, version, _ = self.path.parts
        found: Path = maven.project(".".join(group), artifact).at_version(version).artifact().resolve()
        return found


def cache_folder() -> Path:
    """Return the folder of the jars: `$XDG_CACHE_HOME/scorer/kafka`, or the same under ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "scorer" / "kafka"


def locked_jars() -> list[Jar]:
    """Return the jars in the lock file, in the order of the class path."""
    lines = [line.split() for line in _LOCK.read_text().splitlines() if not line.startswith("#")]
    return [Jar(PurePosixPath(path), sha256, int(size)) for path, sha256, size in lines]


def class_path() -> list[Path]:
    """Return every jar of Kafka, checked against its sha256; missing jars are fetched first.

    Raises:
        Unavailable: no repository answered, or a fetched file differs from the lock file.
    """
    folder = cache_folder()
    jars = locked_jars()
    missing = [jar for jar in jars if not jar.is_intact(folder / jar.path.name)]
    if missing:
        _fetch(missing, folder)
    return [folder / jar.path.name for jar in jars]


def _fetch(jars: Sequence[Jar], folder: Path) -> None:
    """Fetch jars in parallel. Two processes may do so at once: a rename makes each file appear whole."""
    folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(dir=folder, prefix="fetch-") as temporary,
        _progress(sum(jar.size for jar in jars)) as bar,
        ThreadPoolExecutor(_THREADS) as pool,
    ):

        def fetch(jar: Jar) -> None:
            _fetch_one(jar, Path(temporary)).replace(folder / jar.path.name)
            bar.advance(bar.task_ids[0], jar.size)

        largest_first = sorted(jars, key=lambda jar: -jar.size)
        try:
            for _ in pool.map(fetch, largest_first):
                pass
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _fetch_one(jar: Jar, temporary: Path) -> Path:
    """Return one jar, from the user's local Maven repository if it is intact there, otherwise from a remote one."""
    settings = GlobalSettings.load()
    reason = ""
    for local in ([settings.repo_cache], [], []):  # the remote repositories get a second try
        maven = MavenContext(repo_cache=temporary, local_repos=local)
        maven.remote_repos.update(settings.repositories)
        try:
            file = jar.resolve(maven)
            if jar.is_intact(file):
                return _own_copy(file, temporary / jar.path)
            reason = f"{file} does not have the sha256 in kafka.lock"
        except (OSError, RuntimeError) as error:
            reason = str(error)
        (temporary / jar.path).unlink(missing_ok=True)
    raise Unavailable(_advice(jar, reason))


def _own_copy(file: Path, own: Path) -> Path:
    """Return a copy of a file, so that the user's Maven repository stays unchanged."""
    if file != own:
        own.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, own)
    return own


def _advice(jar: Jar, reason: str) -> str:
    return (
        f"Kafka could not be fetched: {jar.path}: {reason}\n"
        f"The first start needs a Maven repository; later starts use the jars in {cache_folder()}. Connect to the "
        "network and try again. Behind a proxy, set HTTPS_PROXY; to use a mirror, put `central = <its URL>` under "
        "[repositories] in ~/.config/jgo.conf."
    )


@contextmanager
def _progress(total: int) -> Iterator[Progress]:
    """Show a bar on a terminal, a plain line elsewhere; both on stderr."""
    console = Console(stderr=True)
    columns = (TextColumn("Fetching Apache Kafka"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    if not console.is_terminal:
        console.print(f"Fetching Apache Kafka, {total / 1e6:.0f} MB, once ...")
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        bar.add_task("", total=total)
        yield bar
