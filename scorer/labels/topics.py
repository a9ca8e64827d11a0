"""The topics of labels, and the settings of the two halves of `scorer labels run`."""

from scorer.errors import Misconfigured, Problem
from scorer.kafka import Topic
from scorer.settings import KafkaSettings, LabelSettings, Settings

HOUR_MS = 3_600_000
SLACK_MS = 24 * HOUR_MS


def required_labels(settings: Settings) -> LabelSettings:
    """Return the settings of labels, for a command that needs them.

    Raises:
        Misconfigured: there are none.
    """
    if settings.labels is None:
        expected = "expected a group with topic, schema, id and label; see docs/labels.md"
        raise Misconfigured([Problem("labels", "missing", expected)])
    return settings.labels


def required_monitor(settings: Settings) -> str:
    """Return the name of the monitor topic.

    Raises:
        Misconfigured: there is none.
    """
    if settings.monitor.topic is None:
        what = "is not set, so there is no place for what the model's quality is"
        expected = "set it, and create the topic with `scorer topics --create`"
        raise Misconfigured([Problem("monitor.topic", what, expected)])
    return settings.monitor.topic


def state_topic(settings: Settings) -> str:
    """Return the name of the topic between the two halves."""
    labels = required_labels(settings)
    return labels.state_topic or f"{settings.kafka.group_id}.labels-state"


def state_topic_to_create(settings: Settings, partitions: int) -> Topic:
    """Return the state topic to create: it keeps each record for as long as its window is open, and some slack."""
    config = {"cleanup.policy": "delete", "retention.ms": str(_kept(settings)), "segment.ms": str(6 * HOUR_MS)}
    return Topic(state_topic(settings), partitions, config=config)


def state_concerns(settings: Settings, topic: Topic) -> list[str]:
    """Return warnings about how the state topic could lose events that wait for labels."""
    policy, kept = topic.config.get("cleanup.policy", "delete"), int(topic.config.get("retention.ms", -1))
    if "compact" in policy:
        what = f"{topic.name}: cleanup.policy={policy} keeps only the last of an event's records"
        return [f"{what}; set cleanup.policy=delete"]
    if 0 <= kept < (wanted := _kept(settings)):
        what = f"{topic.name}: retention.ms={kept} deletes predictions that wait for labels"
        return [f"{what}; set retention.ms={wanted}"]
    return []


def _kept(settings: Settings) -> int:
    labels = required_labels(settings)
    return round((labels.horizon_hours + 2 * labels.window_hours) * HOUR_MS) + SLACK_MS


def intake_settings(settings: Settings, topics: tuple[str, ...]) -> KafkaSettings:
    """Return the settings of the first half, which reads these topics and writes the state topic."""
    kafka = settings.kafka
    own = {
        "group_id": f"{kafka.group_id}.labels",
        "input_topics": topics,
        "output_topic": state_topic(settings),
        "delivery": "exactly-once",
        "start_from": "earliest",
        "properties": {name: value for name, value in kafka.properties.items() if name != "isolation.level"},
    }
    return kafka.model_copy(update=own)


def state_settings(settings: Settings) -> KafkaSettings:
    """Return the settings of the second half, which reads the state topic."""
    return settings.kafka.model_copy(update={"group_id": f"{settings.kafka.group_id}.labels-state"})
