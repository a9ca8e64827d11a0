"""A real Apache Kafka as a child process: a KRaft node, ready in a second or two, no format step."""

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
# What `kafka-storage format` writes for 4.1.0: metadata.version 4.1-IV1, group.version 1, transaction.version 2 and
# eligible.leader.replicas.version 1. It holds no id and no port, so it can be kept, which saves a Java process of
# two seconds. Without it the broker starts at an old feature level and refuses `group.protocol=consumer`.
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
    # One node, and small.
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
    # Quick to notice what happened: back 2 s after a crash instead of 14.
    "broker.session.timeout.ms": "1000",
    "broker.heartbeat.interval.ms": "200",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "group.consumer.min.session.timeout.ms": "1000",
    "group.consumer.session.timeout.ms": "6000",
    "group.consumer.min.heartbeat.interval.ms": "100",
    "group.consumer.heartbeat.interval.ms": "500",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
}
# Of three nodes: every record on each, and acknowledged when two have it.
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
        folder: where its data, its configuration and its log are.
        properties: broker properties that are added to those of the sandbox, or replace them.
        port: for clients; a free one where None.
        advertised_port: what clients are told to connect to, such as a proxy's; `port` where None.
        heap: of the Java process, as `-Xmx` takes it.
        node: its number in the cluster.
        cluster_id: of the cluster, which it is alone where None.
    """

    name = "Kafka"
    ready_line: ClassVar[bytes] = b"Kafka Server started"
    version = "Apache Kafka 4.1.0"

    def __init__(  # noqa: PLR0913  each with a default, and by name
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
        """Be one of several from the first start on.

        Args:
            voters: `voter` of each, with commas.
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
        """Wait until it takes requests, or raise Fatal. A damaged start-up cache, which crashes Java, is removed."""
        try:
            super().await_ready(timeout_s)
        except Fatal:
            if _CRASHED not in self._said():
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
    """Three brokers that are one cluster, each with every record.

    Raises:
        Fatal: one of them does not come up.
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
        for broker in brokers:  # not in order: the last two would wait for a quorum
            broker.kill()


def _new_id() -> str:
    """As Kafka writes a UUID."""
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
