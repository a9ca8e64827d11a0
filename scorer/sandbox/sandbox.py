"""A real Kafka and a real Redis together, in a temporary folder."""

import shutil
import tempfile
from pathlib import Path
from typing import Self

from scorer.sandbox import training
from scorer.sandbox.kafka import Kafka
from scorer.sandbox.redis import Redis
from scorer.sandbox.watchdog import watchdog

_MARK = "# Addresses of a sandbox of scorer, removed when it ends.\n"


class Sandbox:
    """Kafka and Redis on loopback for a `with` block; the servers and the folder never outlive the process.

    Args:
        kafka_port: the port for Kafka's clients; None takes a free one.
        redis_port: the port of Redis; None takes a free one.
    """

    def __init__(self, kafka_port: int | None = None, redis_port: int | None = None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="scorer-sandbox-"))
        watchdog().remove(self.folder)
        self.kafka = Kafka(self.folder / "kafka", port=kafka_port)
        self.redis = Redis(self.folder / "redis", port=redis_port)
        self._environment_file: Path | None = None

    def environment(self) -> dict[str, str]:
        """Return the environment variables that make `scorer` use these servers, overriding its configuration file."""
        return {"SCORER_KAFKA__BOOTSTRAP_SERVERS": self.kafka.bootstrap, "SCORER_FEATURES__URL": self.redis.url}

    def write_environment(self, file: Path) -> None:
        """Write `environment()` as a file of `NAME=value` lines, which is removed with the sandbox.

        The file appears whole or not at all, so it can be read as soon as it exists.
        """
        watchdog().remove(file)
        self._environment_file = file
        new = file.with_name(f".{file.name}.new")
        new.write_text(_MARK + "".join(f"{name}={value}\n" for name, value in self.environment().items()))
        new.replace(file)

    def start(self) -> Self:
        """Start both in parallel and wait until they take requests.

        Raises:
            Unavailable: Kafka had to be fetched and could not be.
            Fatal: a server did not start.
        """
        try:
            for server in (self.redis, self.kafka):
                server.launch()
            for server in (self.redis, self.kafka):
                server.await_ready()
        except BaseException:
            self.stop()
            raise
        training.begin()
        return self

    def stop(self) -> None:
        """Kill both and remove the folder; their data is removed anyway, so no clean shutdown is needed."""
        self.redis.kill()
        self.kafka.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
        if self._environment_file is not None:
            self._environment_file.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def is_environment_file(file: Path) -> bool:
    """Whether `Sandbox.write_environment` may overwrite a file: it wrote the file itself, or the file is empty."""
    return file.is_file() and (not file.stat().st_size or file.read_bytes().startswith(_MARK.encode()))
