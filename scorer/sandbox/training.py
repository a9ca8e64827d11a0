"""Makes the start-up cache of Kafka once per user, in the background of a run without one.

A temporary broker at the lowest priority starts, stops and writes the cache, which takes about eight seconds of CPU.
Nothing waits for it: if the run ends first, the watchdog removes it, and the next run tries again.
"""

import contextlib
import fcntl
import functools
import tempfile
import threading
from pathlib import Path

from scorer.errors import ScorerError
from scorer.sandbox import java
from scorer.sandbox.jars import cache_folder
from scorer.sandbox.kafka import Kafka
from scorer.sandbox.watchdog import watchdog

_KEPT = 2  # caches of 60 MB each: enough for two environments that are used alternately
_PRIORITY = ("nice", "-n", "19")
_STOP_S = 600.0  # the broker writes the cache while it stops, and may get little CPU


class _Trainee(Kafka):
    """A broker that records the classes that it loads, and writes them to a file when it stops."""

    @property
    def result(self) -> Path:
        return self.folder / "startup.aot"

    def _java_options(self) -> list[str]:
        return [f"-XX:AOTCacheOutput={self.result}"]

    def _command(self) -> list[str]:
        return [*_PRIORITY, *super()._command()]


@functools.cache
def begin() -> None:
    """Start making the cache if there is none, at most once in a process; return at once."""
    if not java.startup_cache().exists():
        threading.Thread(target=_train, name="kafka-startup-cache", daemon=True).start()


def _train() -> None:
    with contextlib.suppress(ScorerError, OSError), (cache_folder() / "training.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # BlockingIOError: another process is making it
        with tempfile.TemporaryDirectory(prefix="scorer-training-") as folder:
            watchdog().remove(Path(folder))
            trainee = _Trainee(Path(folder))
            trainee.start()
            trainee.stop(_STOP_S)
            _keep(trainee.result)


def _keep(result: Path) -> None:
    """Move the cache into place atomically, and remove older caches of other environments."""
    cache = java.startup_cache()
    whole = cache.with_suffix(".new")
    whole.write_bytes(result.read_bytes())
    whole.replace(cache)
    caches = sorted(cache.parent.glob("startup-*.aot"), key=lambda file: file.stat().st_mtime_ns)
    for old in caches[:-_KEPT]:
        old.unlink(missing_ok=True)
