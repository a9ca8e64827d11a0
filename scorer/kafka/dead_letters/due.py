"""Which dead letters are to be replayed, and why the others are not."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping

from scorer.kafka.brokers.topics import Topic
from scorer.kafka.dead_letters.read import Letter
from scorer.kafka.dead_letters.replayed import Replayed


class Due:
    """The dead letters that are to be replayed, and a count of them and of the others.

    Args:
        letters: all that were chosen.
        replayed: which of them were replayed before.
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
        self.old = 0  # of those, older than their topic keeps events: the brokers may delete them before they are read
        self.before = 0  # replayed already
        self.cut = 0  # that hold a part of their event only
        self.elsewhere: Counter[str] = Counter()  # by a topic that is none of our inputs: what would score them?
        self.nowhere: Counter[str] = Counter()  # by input topic: of a partition that it does not have

    def __iter__(self) -> Iterator[Letter]:
        """Yield the letters, each counted before it is yielded."""
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
