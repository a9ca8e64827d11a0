"""A backlog on the sandbox's broker, and the configuration of a replica that works it off."""

import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from scorer.kafka import Admin, Feed, Topic, dead_letter_topic
from scorer.settings import Settings

PARTITIONS = 4
# Properties that say how to reach a broker, which the sandbox's is not to be reached by.
_OF_REACHING = ("security.", "sasl.", "ssl.", "enable.ssl.", "https.", "broker.address.")


def at_sandbox(settings: Settings, folder: Path, bootstrap: str, features_url: str | None) -> Path:
    """Write the settings with the sandbox's broker in place of their own, and return the file.

    Args:
        settings: of the user.
        folder: for the file.
        bootstrap: of the sandbox's broker.
        features_url: of Redis; None to leave it as it is.
    """
    document: dict[str, Any] = settings.model_dump(mode="json", by_alias=True)
    kafka = document["kafka"]
    kept = {name: value for name, value in kafka["properties"].items() if not name.startswith(_OF_REACHING)}
    kafka |= {"bootstrap_servers": bootstrap, "properties": kept, "start_from": "earliest"}
    if features_url is not None:
        document["features"]["url"] = features_url
    document["http"] = {}
    file = folder / "bench.yaml"
    file.write_text(json.dumps(document).replace("$", "$$"))  # JSON is YAML, and a dollar sign would begin a variable
    return file


def fill(settings: Settings, events: Iterable[tuple[bytes | None, bytes]], show: Callable[[int], None]) -> int:
    """Make the topics of the settings, and write events to the first of the inputs; return how many.

    Args:
        settings: at the sandbox.
        events: key and value of each.
        show: told how many the broker has so far.

    Raises:
        Fatal: the broker refuses one.
    """
    kafka = settings.kafka
    inputs = [Topic(name, PARTITIONS) for name in kafka.input_topics]
    letters = dead_letter_topic(kafka.dead_letter_topic, PARTITIONS, inputs)
    Admin(kafka).create([*inputs, Topic(kafka.output_topic, PARTITIONS), letters])
    feed = Feed(kafka, kafka.input_topics[0])
    for key, value in events:
        feed.write(value, key)
        show(feed.acknowledged)
    feed.finish()
    return feed.acknowledged


def repeated(values: Sequence[bytes], events: int) -> Iterator[tuple[None, bytes]]:
    """Yield so many events without keys: those that there are, again and again."""
    return ((None, value) for value in itertools.islice(itertools.cycle(values), events))
