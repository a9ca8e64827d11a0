from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from scorer.sandbox import Kafka
from scorer.settings import KafkaSettings
from tests.kafka.lost_acknowledgements import Acknowledgements, acknowledgements

Losing = tuple[Kafka, Acknowledgements]


def settings(bootstrap: str, **properties: str) -> KafkaSettings:
    """Settings with a unique group; property names have `_` instead of `.`."""
    return KafkaSettings(
        bootstrap_servers=bootstrap,
        group_id=f"group-{uuid4().hex}",
        input_topics=("in",),
        output_topic="out",
        dead_letter_topic="dead",
        properties={name.replace("_", "."): value for name, value in properties.items()},
    )


@pytest.fixture
def kafka_settings(kafka: Kafka) -> KafkaSettings:
    """Settings for the shared broker, with a unique group."""
    return settings(kafka.bootstrap)


@pytest.fixture
def losing(tmp_path: Path) -> Iterator[Losing]:
    """A broker, and the proxy between it and its clients that can lose acknowledgements."""
    with acknowledgements() as proxy, Kafka(tmp_path / "kafka", advertised_port=proxy.port) as broker:
        proxy.broker = broker.port
        yield broker, proxy
