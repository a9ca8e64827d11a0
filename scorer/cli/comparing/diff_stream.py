"""The scores that a shadow and the version that serves gave the same events, from the topics of a running group."""

import argparse
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from scorer.avro import PREDICTION
from scorer.cli.comparing.shift import Pairs
from scorer.cli.shown.answers import Answer
from scorer.cli.shown.progress import counting
from scorer.cli.shown.views import Bodies, Unreadable
from scorer.errors import Misconfigured, Problem
from scorer.kafka import Reader, Record
from scorer.serving.formats import open_formats
from scorer.settings import Settings

MOST = 1_000_000  # predictions of a shadow that are held in memory
MARGIN_MS = 60_000  # how much earlier than the first of a shadow's predictions those of users may have been published
CHUNK = 10_000  # pairs of scores that are put into one array

Place = tuple[str, int, int]  # where an event was read: the topic, the partition and the offset


@dataclass(frozen=True, slots=True)
class Shadowed:
    """What a shadow said of one event."""

    version: str
    score: list[float]


def compare(settings: Settings, args: argparse.Namespace, stack: ExitStack) -> Answer:
    """Compare the predictions of two versions, one of which was a shadow, for the events that both scored.

    Args:
        settings: name the topics.
        args: the versions, and how many minutes of the shadow's predictions are read.
        stack: closes what is opened here.

    Raises:
        Misconfigured: there is no shadow topic.
        Unavailable: the brokers do not answer.
        Fatal: a topic is missing.
    """
    topic = settings.predictions.shadow_topic
    if topic is None:
        what = "predictions.shadow_topic is not set, so there are no predictions of a shadow"
        raise Misconfigured([Problem("--stream", what, "compare the versions with --input instead")])
    predictions, versions = Predictions(settings, stack), (args.before, args.after)
    since = int((time.time() - 60 * args.minutes) * 1000)
    shadowed: dict[Place, Shadowed] = {}
    oldest = int(time.time() * 1000)
    for record, found in predictions.read(topic, since):
        if found["version"] not in versions:
            continue
        oldest = min(oldest, record.timestamp)
        shadowed[place_of(found)] = Shadowed(found["version"], numbers_of(found["score"]))
        if len(shadowed) == MOST:
            break
    events, pairs = len(shadowed), Pairs()
    if shadowed:
        published = predictions.read(settings.kafka.output_topic, max(0, oldest - MARGIN_MS))
        _pair(pairs, (found for _, found in published if found["version"] in versions), versions, shadowed)
    return {
        "input": f"{settings.kafka.output_topic} and {topic}",
        "events": events,
        "compared": pairs.events,
        "outputs": [shift.document() for shift in pairs.shifts()],
        "largest": [each.document() for each in pairs.farthest],
    }


class Predictions:
    """Reads predictions from topics, and shows how many.

    Args:
        settings: the brokers, and how predictions are framed.
        stack: ends what shows it.
    """

    def __init__(self, settings: Settings, stack: ExitStack) -> None:
        self._kafka = settings.kafka
        self._bodies = Bodies(PREDICTION, open_formats(settings).prediction_framing())
        self._show = stack.enter_context(counting("predictions read"))
        self._seen = 0

    def read(self, topic: str, start: int | Literal["beginning"]) -> Iterator[tuple[Record, Answer]]:
        """Yield the predictions that can be read from a start on, up to the present end of the topic."""
        with closing(Reader(self._kafka, [topic])) as reader:
            for record in reader.read(start, follow=False):
                self._seen += 1
                self._show(self._seen)
                document = self._bodies.document(record)
                if not isinstance(document, Unreadable):
                    yield record, document


def _pair(
    pairs: Pairs, published: Iterable[Answer], versions: tuple[str, str], shadowed: dict[Place, Shadowed]
) -> None:
    """Find the prediction of the other version for each event that a shadow scored."""
    chunk: list[tuple[bytes, list[float], list[float]]] = []
    before, after = versions
    for found in published:
        place = place_of(found)
        shadow = shadowed.get(place)
        if shadow is not None and shadow.version != found["version"]:
            del shadowed[place]
            both = {found["version"]: numbers_of(found["score"]), shadow.version: shadow.score}
            chunk.append((found["event_id"].encode(), both[before], both[after]))
        if len(chunk) == CHUNK:
            _add(pairs, chunk)
            chunk = []
        if not shadowed:
            break
    _add(pairs, chunk)


def _add(pairs: Pairs, chunk: Sequence[tuple[bytes, list[float], list[float]]]) -> None:
    if chunk:
        ids, before, after = zip(*chunk, strict=True)
        pairs.add(ids, np.array(before, np.float32), np.array(after, np.float32))


def place_of(found: Answer) -> Place:
    """Return where the event of a prediction was read."""
    return found["source_topic"], found["source_partition"], found["source_offset"]


def numbers_of(score: Any) -> list[float]:  # noqa: ANN401  JSON
    """Return the scores of a prediction, which are text in JSON if they are not finite."""
    return [float(each) for each in (score if isinstance(score, list) else [score])]
