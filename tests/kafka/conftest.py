from uuid import uuid4

import pytest

from scorer.sandbox import Kafka
from scorer.settings import KafkaSettings


def settings(bootstrap: str, **properties: str) -> KafkaSettings:
    """Of a group that nobody else uses; properties with `_` for `.`."""
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
    """Of the shared broker, and a group of the test's own."""
    return settings(kafka.bootstrap)
