from uuid import uuid4

import pytest

from scorer.sandbox import Kafka
from scorer.settings import KafkaSettings


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
