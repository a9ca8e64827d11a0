"""A configuration for the commands that talk to Kafka, on topics that no other test uses."""

import json
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import yaml

from scorer.cli import main
from scorer.settings import KafkaSettings, load

CARD = {"type": "record", "name": "Card", "fields": [{"name": "number", "type": "long"}]}
SCHEMA = {
    "type": "record",
    "name": "Payment",
    "fields": [
        {"name": "id", "type": "string"},
        {"name": "amount", "type": "double"},
        {"name": "card", "type": ["null", CARD]},
        {"name": "made", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    ],
}


@dataclass(frozen=True)
class Stream:
    """One configuration file, and the topics and group in it."""

    file: Path
    kafka: KafkaSettings

    def run(self, command: str, *options: str) -> int:
        """Run a command of scorer in this process."""
        return main([command, "-c", str(self.file), *options])


def make_stream(folder: Path, bootstrap: str, **events: object) -> Stream:
    """Write a configuration with unique names of topics and group."""
    stem = uuid4().hex[:12]
    kafka = {
        "bootstrap_servers": bootstrap,
        "group_id": f"group-{stem}",
        "input_topics": [f"payments-{stem}"],
        "output_topic": f"scores-{stem}",
        "dead_letter_topic": f"dead-{stem}",
    }
    (folder / "payment.avsc").write_text(json.dumps(SCHEMA))
    file = folder / "scorer.yaml"
    file.write_text(
        yaml.safe_dump({"kafka": kafka, "events": {"schema": "payment.avsc", **events}, "model": {"path": "m"}})
    )
    return Stream(file, load(file, environ={}).settings.kafka)
