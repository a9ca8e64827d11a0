"""Selects the dead letters to replay, and counts the others by the reason why they are skipped."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping

from scorer.kafka.brokers.topics import Topic
from scorer.kafka.dead_letters.read import Letter
from scorer.kafka.dead_letters.replayed import Replayed


class Due:
    """The dead letters to replay, with counts of these and of the skipped ones.

    The counts are final once the iteration has ended.

    Args:
        letters: all letters that the user chose.
        replayed: which letters were replayed before.
        inputs: the input topics, by name.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        letters: Iterable[Letter],
        replayed: Replayed,
        inputs: Mapping[str, Topic],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._letters, self._replayed, self._inputs, self._now = letters, replayed, inputs, clock() * 1000
        self.taken: Counter[str] = Counter()  # by reason and input topic
        self.old = 0  # taken letters older than their topic's retention: brokers may delete the events before a read
        self.before = 0  # letters that were replayed already
        self.cut = 0  # letters that contain only a part of their event
        self.elsewhere: Counter[str] = Counter()  # letters from topics that are not inputs, by topic
        self.nowhere: Counter[str] = Counter()  # letters from partitions that do not exist, by input topic

    def __iter__(self) -> Iterator[Letter]:
        """Yield the letters to replay; each is counted before it is yielded."""
        for letter in self._letters:
            topic = self._inputs.get(letter.topic)
            if letter.cut:
                self.cut += 1
            elif letter in self._replayed:
                self.before += 1
            elif topic is None:
                self.elsewhere[letter.topic] += 1
            elif letter.partition >= topic.partitions:
                self.nowhere[letter.topic] += 1
            else:
                self.taken[f"{letter.reason} to {letter.topic}"] += 1
                self.old += 0 <= int(topic.config.get("retention.ms", -1)) < self._now - letter.record.timestamp
                yield letter
