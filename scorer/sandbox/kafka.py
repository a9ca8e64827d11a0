"""A real Apache Kafka as a child process: a KRaft node that needs no format step and is ready in a second or two."""

import base64
import uuid
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from scorer.errors import Fatal
from scorer.sandbox import java
from scorer.sandbox.server import HOST, READY_S, Server, free_port

_CRASHED = b"detected by the Java Runtime Environment"
# The output of `kafka-storage format` for 4.1.0: metadata.version 4.1-IV1, group.version 1, transaction.version 2 and
# eligible.leader.replicas.version 1. It has no id and no port in it, so a copy can be reused, which saves two
# seconds. Without it the broker starts at an old feature level and refuses `group.protocol=consumer`.
_CHECKPOINT = zlib.decompress(
    base64.b64decode(
        "eJxjYIADdxDB5JfS/YJBASLCuPBv8gcPGP0fBYCktYAEBxAzizFgAkYg3gk2cq1/yi2wEDPUqHAYjWEkixVIpx4jD4NgbmpJYkpiSaJe"
        "WWpRcWZ+HoM0A0MU0DRGP6CsYmpOZnpmUk6qXk5qYkpqkV5RakFOZnJiMVw10HoToHmMGkDVfOlF+aUFyFIODAxsjCZAKZGSosS84sTk"
        "EqAEXAET3BOsQGwP9sTi+Z23UcIlAkZjhosUNFxY2ECqAfc8aVU="
    )
)
_PROPERTIES = {
    "process.roles": "broker,controller",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    # A single small node.
    "num.partitions": "4",
    "offsets.topic.num.partitions": "4",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "auto.create.topics.enable": "false",
    "log.cleaner.dedupe.buffer.size": "2097152",  # its default of 128 MB alone fills a small heap
    # Short timeouts: it is back 2 s after a crash instead of 14.
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "500",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "group.consumer.min.session.timeout.ms": "1000",
    "group.consumer.session.timeout.ms": "6000",
    "group.consumer.min.heartbeat.interval.ms": "100",
    "group.consumer.heartbeat.interval.ms": "500",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
}
# For three nodes: every record is on each, and acknowledged when two have it.
_REPLICATED = {
    "default.replication.factor": "3",
    "min.insync.replicas": "2",
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
    "replica.lag.time.max.ms": "2000",
}


class Kafka(Server):
    """One Kafka broker with its controller.

    Args:
        folder: the folder of its data, its configuration and its log.
        properties: broker properties that are added to those of the sandbox, or replace them.
        port: the port for clients; None takes a free one.
        advertised_port: the port that clients connect to, such as a proxy's; None for `port`.
        heap: the heap of the Java process, as in `-Xmx`.
        node: the node's number in the cluster.
        cluster_id: the id of the cluster; None for a cluster of its own.
    """

    name = "Kafka"
    ready_line: ClassVar[bytes] = b"Kafka Server started"
    version = "Apache Kafka 4.1.0"

    def __init__(  # noqa: PLR0913  all but the folder have defaults
        self,
        folder: Path,
        properties: Mapping[str, str] | None = None,
        *,
        port: int | None = None,
        advertised_port: int | None = None,
        heap: str = "256m",
        node: int = 1,
        cluster_id: str | None = None,
    ) -> None:
        super().__init__(folder, port)
        self.bootstrap = f"{HOST}:{advertised_port or self.port}"
        controller = f"{HOST}:{free_port()}"
        self.voter = f"{node}@{controller}"
        self._heap = heap
        self._identity = {"cluster.id": cluster_id or _new_id(), "node.id": str(node)}
        self._properties = {
            **_PROPERTIES,
            "node.id": str(node),
            "listeners": f"PLAINTEXT://{self.address},CONTROLLER://{controller}",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap}",
            "controller.quorum.voters": self.voter,
            "log.dirs": str(self._data),
            **(properties or {}),
        }

    def join(self, voters: str) -> None:
        """Make this node part of a cluster; call it before the first start.

        Args:
            voters: the `voter` of each node, separated by commas.
        """
        self._properties["controller.quorum.voters"] = voters

    @property
    def _data(self) -> Path:
        return self.folder.resolve() / "kafka-data"

    def _command(self) -> list[str]:
        if not self._data.exists():
            self._format()
        file = self.folder.resolve() / "server.properties"
        file.write_text("".join(f"{key}={value}\n" for key, value in self._properties.items()))
        main = ("kafka.Kafka", str(file))
        return java.command(main, heap=self._heap, temporary=file.parent, options=self._java_options())

    def _java_options(self) -> list[str]:
        return [f"-XX:AOTCache={java.startup_cache()}"] if java.startup_cache().exists() else []

    def await_ready(self, timeout_s: float = READY_S) -> None:
        """Wait until it takes requests, or raise Fatal. A damaged start-up cache crashes Java, and is removed."""
        try:
            super().await_ready(timeout_s)
        except Fatal:
            if _CRASHED not in self._log_text():
                raise
            java.startup_cache().unlink(missing_ok=True)
            self.launch()
            super().await_ready(timeout_s)

    def _format(self) -> None:
        self._data.mkdir(parents=True)
        (self._data / "bootstrap.checkpoint").write_bytes(_CHECKPOINT)
        identity = {"version": 1, **self._identity, "directory.id": _new_id()}
        (self._data / "meta.properties").write_text("".join(f"{key}={value}\n" for key, value in identity.items()))


@contextmanager
def cluster(folder: Path) -> Iterator[list[Kafka]]:
    """Run a cluster of three brokers, each with every record.

    Raises:
        Fatal: one of them does not start.
    """
    cluster_id = _new_id()
    brokers = [Kafka(folder / f"kafka-{node}", _REPLICATED, node=node, cluster_id=cluster_id) for node in (1, 2, 3)]
    try:
        for broker in brokers:
            broker.join(",".join(each.voter for each in brokers))
            broker.launch()
        for broker in brokers:
            broker.await_ready()
        yield brokers
    finally:
        for broker in brokers:  # killed rather than stopped: the last two would wait for a quorum
            broker.kill()


def _new_id() -> str:
    """Return a UUID as Kafka writes it."""
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
