"""What the demo runs on: real servers, configuration, topics, features and replicas, all removed at its end."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import yaml

from scorer import settings
from scorer.avro import Schema
from scorer.demo import flights, train
from scorer.demo.show import Story
from scorer.kafka import Admin, Topic, dead_letter_topic
from scorer.plan import Plan
from scorer.sandbox import Sandbox
from scorer.sandbox.replica import Replica
from scorer.store.load.load import find_entity, load_file

MODELS = Path(__file__).parents[2] / "models"
EVENTS, PREDICTIONS, DEAD_LETTERS = "flights", train.NAME, "flights.dead-letters"
PARTITIONS = 6
STOPS = (signal.SIGINT, signal.SIGTERM)


@dataclass
class Stage:
    """The servers and the replicas.

    config:   the file of the replicas' settings.
    models:   the folder of models.
    replicas: all replicas that were started, in order.
    """

    sandbox: Sandbox
    config: Path
    models: Path
    replicas: list[Replica] = field(default_factory=list)

    @property
    def model_file(self) -> Path:
        """The model file of the replicas."""
        return self.models / train.NAME / "1/model.ubj"

    @property
    def model(self) -> str:
        """The model's name and version."""
        return f"{train.NAME} {self.model_file.parent.name}"

    @property
    def servers(self) -> str:
        """The servers' names and versions."""
        return f"{self.sandbox.kafka.version} and {self.sandbox.redis.version}"

    def create_topics(self) -> None:
        """Create the topics; the broker's clock gives the time of each prediction."""
        events = Topic(EVENTS, PARTITIONS)
        predictions = Topic(PREDICTIONS, PARTITIONS, config={"message.timestamp.type": "LogAppendTime"})
        admin = Admin(settings.load(self.config).settings.kafka)
        admin.create([events, predictions, dead_letter_topic(DEAD_LETTERS, PARTITIONS, [events])])

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
def opened() -> Iterator[Stage]:
    """Start the servers and write the configuration; at the end, kill everything and remove all files."""
    with _uninterrupted():
        closed = Sandbox()
    with closed as sandbox:
        folder = sandbox.folder / "demo"
        folder.mkdir()
        models = MODELS
        if not (models / train.NAME).is_dir():  # installed without the repository's models
            models = folder / "models"
            train.add(models, "1")
        config = folder / "scorer.yaml"
        config.write_text(yaml.safe_dump(_configuration(sandbox, models)))
        stage = Stage(sandbox, config, models)
        try:
            yield stage
        finally:
            for replica in stage.replicas:
                replica.kill()


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


def _configuration(sandbox: Sandbox, models: Path) -> dict[str, object]:
    """Return the configuration, as a user would write it."""
    return {
        "kafka": {
            "bootstrap_servers": sandbox.kafka.bootstrap,
            "group_id": train.NAME,
            "input_topics": [EVENTS],
            "output_topic": PREDICTIONS,
            "dead_letter_topic": DEAD_LETTERS,
            "properties": {"session.timeout.ms": "6000", "heartbeat.interval.ms": "500"},
        },
        "events": {"schema": str(flights.SCHEMA_FILE), "id": "flight_id", "time": "scheduled_departure"},
        "features": {"url": sandbox.redis.url, "timeout_ms": 1000},  # the demo shares the machine with other work
        "model": {"path": str(models / train.NAME)},
        "log": {"format": "text"},
    }
