"""A backlog on the sandbox's broker, and the configuration of a replica that works through it."""

import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from scorer.kafka import Admin, Feed, Topic, dead_letter_topic
from scorer.settings import Settings

PARTITIONS = 4
# Properties for reaching the user's brokers, which do not apply to the sandbox's broker.
_OF_REACHING = ("security.", "sasl.", "ssl.", "enable.ssl.", "https.", "broker.address.")


def at_sandbox(settings: Settings, folder: Path, bootstrap: str, features_url: str | None) -> Path:
    """Write the settings with the sandbox's broker instead of the user's, and return the file.

    Args:
        settings: the user's settings.
        folder: the folder for the file.
        bootstrap: the address of the sandbox's broker.
        features_url: the address of Redis; None keeps the user's.
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
    """Create the topics of the settings, and write events to the first input topic; return how many.

    Args:
        settings: the settings with the sandbox's broker.
        events: key and value of each event.
        show: called with the number of acknowledged events so far.

    Raises:
        Fatal: the broker refuses an event.
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
    """Yield `events` events without keys, by repeating the given values."""
    return ((None, value) for value in itertools.islice(itertools.cycle(values), events))
