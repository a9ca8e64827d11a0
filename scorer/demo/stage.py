"""What the demo runs on: real servers, configuration, topics, features and replicas, all removed at its end."""

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import yaml

from scorer import settings
from scorer.avro import Schema
from scorer.demo import flights, train, versions
from scorer.demo.command import Command
from scorer.demo.show import Story
from scorer.kafka import Admin, Topic, control_topic, dead_letter_topic, monitor_topic
from scorer.labels.topics import state_topic_to_create
from scorer.monitor import Health, serve
from scorer.page.feed import Feed
from scorer.page.group import heard
from scorer.page.site import Site
from scorer.plan import Plan
from scorer.rollout import Held, Home
from scorer.sandbox import Sandbox
from scorer.sandbox.replica import Replica
from scorer.serving.homes import required_home
from scorer.settings import HttpSettings
from scorer.store.load.load import find_entity, load_file

MODELS = Path(__file__).parents[2] / "models"
EVENTS, PREDICTIONS, DEAD_LETTERS = "flights", train.NAME, "flights.dead-letters"
CONTROL = f"{train.NAME}.control"
LABELS = "flight-arrivals"
ARRIVAL = {
    "type": "record",
    "name": "Arrival",
    "fields": [
        {"name": "flight_id", "type": "string"},
        {"name": "late", "type": "boolean"},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    ],
}
QUALITY_SECONDS = 5  # of a window of labels
MONITOR = f"{train.NAME}.monitor"
PARTITIONS = 6
STOPS = (signal.SIGINT, signal.SIGTERM)


@dataclass
class Stage:
    """The servers and the replicas.

    config:   the file of the replicas' settings.
    models:   the folder of models.
    versions: the versions that may score.
    replicas: all replicas that were started, in order.
    commands: those that were started beside the replicas.
    feed:     what the live page shows, while it is served.
    """

    sandbox: Sandbox
    config: Path
    models: Path
    versions: tuple[str, ...] = ("1",)
    replicas: list[Replica] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    feed: Feed | None = None
    _home: Home | None = None

    @property
    def model_files(self) -> dict[str, Path]:
        """The model file of each version."""
        return {version: self.models / train.NAME / version / "model.ubj" for version in self.versions}

    @property
    def model(self) -> str:
        """The model's name and versions."""
        return f"{train.NAME} {', '.join(self.versions)}"

    @property
    def servers(self) -> str:
        """The servers' names and versions."""
        return f"{self.sandbox.kafka.version} and {self.sandbox.redis.version}"

    def create_topics(self) -> None:
        """Create the topics; the broker's clock gives the time of each prediction."""
        events = Topic(EVENTS, PARTITIONS)
        predictions = Topic(PREDICTIONS, PARTITIONS, config={"message.timestamp.type": "LogAppendTime"})
        loaded = settings.load(self.config).settings
        kafka = loaded.kafka
        others = [dead_letter_topic(DEAD_LETTERS, PARTITIONS, [events]), monitor_topic(MONITOR)]
        others += [control_topic(kafka.control_topic)] if kafka.control_topic else []
        others += [Topic(LABELS, PARTITIONS), state_topic_to_create(loaded, PARTITIONS)] if loaded.labels else []
        Admin(kafka).create([events, predictions, *others])

    @contextmanager
    def page(self) -> Iterator[str]:
        """Serve the live page of the group on a free port until the block ends; yield its address."""
        loaded, health = settings.load(self.config).settings, Health(limit_s=float("inf"))
        health.heartbeat()
        with (
            heard(loaded, train.NAME) as feed,
            serve(HttpSettings(port=0), None, health, Site(feed, at_home=True)) as server,
        ):
            self.feed = feed
            yield server.url

    def load(self, entity: str, table: pd.DataFrame) -> int:
        """Load one feature table, as `scorer features load` does; return its number of lines."""
        file = self.config.with_name(f"{entity}.csv")
        table.to_csv(file)
        described = find_entity(Plan.load(train.PLAN_FILE), entity)
        fields = Schema.load(flights.SCHEMA_FILE).fields
        return load_file(described, fields, file, self.sandbox.redis.url, lambda _: None).lines

    def start(self, name: str) -> Replica:
        """Start a replica under a name; it takes over the partitions of the previous replica of that name."""
        replica = Replica(name, self.config, self.config.with_name(f"{name}-{len(self.replicas)}.log"))
        self.replicas.append(replica)
        return replica

    def look(self, story: Story) -> None:
        """Check every replica, and report which states have changed.

        Raises:
            Fatal: a replica exited without being asked to.
        """
        for replica in self.replicas:
            before = replica.state
            replica.look()
            if replica.state != before:
                why = f": {replica.reason}" if replica.state == "waiting" else ""
                story.add(f"{replica.name} (pid {replica.pid}) is {replica.state}{why}")

    def command(self, *words: str) -> Command:
        """Start a command of `scorer` with the configuration of the replicas."""
        self.commands.append(Command([*words, "-c", str(self.config)]))
        return self.commands[-1]

    @property
    def arrivals(self) -> Path:
        """The file with the schema of the labels."""
        return self.config.with_name("arrival.avsc")

    def rolled_out(self) -> Held:
        """Return the roll-out state and its history; the first call reads all of it."""
        if self._home is None:
            self._home = required_home(settings.load(self.config).settings)
            return self._home.read()
        return self._home.wait(0)

    def close(self) -> None:
        """Kill every replica."""
        if self._home is not None:
            self._home.close()
        for replica in self.replicas:
            replica.kill()
        for command in self.commands:
            command.kill()

    @property
    def ready(self) -> bool:
        """Whether every replica that was not killed is ready."""
        return not self._unready

    @property
    def unready(self) -> str:
        """The reasons and last log lines of the replicas that are not ready."""
        return "\n".join(f"{each.name} (pid {each.pid}): {each.reason}\n{each.last_words}" for each in self._unready)

    @property
    def _unready(self) -> list[Replica]:
        return [replica for replica in self.replicas if replica.state not in {"ready", "killed"}]


@contextmanager
def opened(*, rollout: bool = False, labels: bool = False) -> Iterator[Stage]:
    """Start the servers and write the configuration; at the end, kill everything and remove all files.

    Args:
        rollout: with several versions and a control topic.
        labels: with a topic of labels.
    """
    with _uninterrupted():
        closed = Sandbox()
    with closed as sandbox:
        folder = sandbox.folder / "demo"
        folder.mkdir()
        models = MODELS
        shipped = models / train.NAME / "1" / "model.ubj"
        if rollout or not shipped.is_file():  # installed without the repository's models
            models = folder / "models"
        if rollout:
            versions.add(models, shipped if shipped.is_file() else None)
        elif models is not MODELS:
            train.add(models, "1")
        config = folder / "scorer.yaml"
        (folder / "arrival.avsc").write_text(json.dumps(ARRIVAL))
        config.write_text(yaml.safe_dump(_configuration(sandbox, models, rollout=rollout, labels=labels)))
        stage = Stage(sandbox, config, models, versions.VERSIONS if rollout else ("1",))
        try:
            yield stage
        finally:
            stage.close()


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Defer Ctrl-C and SIGTERM to the end of the block, so that whatever it creates can be cleaned up."""
    received: list[int] = []
    before = {number: signal.signal(number, lambda *call: received.append(call[0])) for number in STOPS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if received:
        raise KeyboardInterrupt


def _configuration(sandbox: Sandbox, models: Path, *, rollout: bool, labels: bool) -> dict[str, object]:
    """Return the configuration, as a user would write it."""
    control = {"control_topic": CONTROL} if rollout else {}
    arrivals = {"topic": LABELS, "schema": "arrival.avsc", "id": "flight_id", "label": "late", "time": "at"}
    quality = {"labels": arrivals | {"window_hours": QUALITY_SECONDS / 3600, "horizon_hours": 1}} if labels else {}
    # A season differs from the months before, and a stormy day from a calm one: the demo compares each window with
    # those before it, and does not call every change a drift.
    drift = {"reference": "last-windows", "at_least_psi": 0.2, "confirm": {"windows": 1, "of": 1}}
    monitor = {"topic": MONITOR, "drift": drift}
    return quality | {
        "kafka": {
            "bootstrap_servers": sandbox.kafka.bootstrap,
            "group_id": train.NAME,
            "input_topics": [EVENTS],
            "output_topic": PREDICTIONS,
            "dead_letter_topic": DEAD_LETTERS,
            **control,
            "properties": {"session.timeout.ms": "6000", "heartbeat.interval.ms": "500"},
        },
        "events": {"schema": str(flights.SCHEMA_FILE), "id": "flight_id", "time": "scheduled_departure"},
        "features": {"url": sandbox.redis.url, "timeout_ms": 1000},  # the demo shares the machine with other work
        "model": {"path": str(models / train.NAME), "version": "1"},
        "monitor": monitor,
        "http": {"page": True},
        "log": {"format": "text"},
    }
