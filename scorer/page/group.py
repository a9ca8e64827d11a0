"""Watches a group from outside: its replicas through the monitor topic, and its offsets through the brokers."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from scorer.background import Background
from scorer.errors import ScorerError
from scorer.group.drifting import rules_of
from scorer.kafka import Admin, GroupLag, MonitorListener, MonitorTopic
from scorer.page.drift import DriftChapter
from scorer.page.feed import Chapter, Feed, FeedLog
from scorer.page.quality import QualityChapter
from scorer.page.view import Known, Offsets, PartitionOffsets
from scorer.settings import Settings

OFTEN_SECONDS = 3.0  # between two requests for the offsets, without a monitor topic
SELDOM_SECONDS = 10.0  # the same, if replicas publish their lag
JOIN_SECONDS = 1.0

TOPIC = "Set `monitor.topic`, and create it with `scorer topics --create`: each replica then publishes what it does."
LABELS = "Set `labels` to the topic of labels, and run `scorer labels run`."
JOINED = "No label has arrived yet: `scorer labels run` joins labels with predictions."


def notes_of(settings: Settings) -> dict[str, str]:
    """Return, for each part of the view that the settings leave empty, how to turn it on."""
    topic, explains = settings.monitor.topic, settings.predictions.explain is not None
    notes = {} if topic else dict.fromkeys(("replicas", "recent", "drift", "quality"), TOPIC)
    if topic:
        notes |= {
            "drift": "No window has ended yet.",
            "quality": LABELS if settings.labels is None else JOINED,
            "recent": "Replicas publish their last predictions with `http: {page: true}`.",
        }
    if not explains:
        notes["explanations"] = "Strongest columns: turn on predictions.explain."
    return notes


def known_of(settings: Settings, model: str) -> Known:
    """Return what is known of a group before the first record."""
    return Known(settings.kafka.group_id, model, notes_of(settings))


def monitor_opener(settings: Settings, model: str) -> Callable[[MonitorListener], FeedLog] | None:
    """Return a function that opens the monitor topic for a receiver; None without a monitor topic."""
    topic = settings.monitor.topic
    return None if topic is None else lambda listener: MonitorTopic(settings.kafka, topic, model, [listener])


def chapters_of(settings: Settings) -> dict[str, Chapter]:
    """Return the makers of the parts of the view that do not come from the status of replicas."""
    return {"drift": DriftChapter(rules_of(settings.monitor)), "quality": QualityChapter()}


class OffsetWatch(Background):
    """Polls the group's committed offsets and lag, on its own thread.

    Do not use it in the process of a replica: a request about a group may crash the process that makes it.

    Args:
        ask: returns the lag of the group.
        take: called with the offsets; with None while the brokers do not answer.
        seconds: the time between two polls.
    """

    def __init__(self, ask: Callable[[], GroupLag], take: Callable[[Offsets | None], None], seconds: float) -> None:
        self._ask, self._take, self._seconds = ask, take, seconds
        self._before: tuple[float, int] | None = None  # the time of the last poll, and the sum of committed offsets
        super().__init__("offsets", JOIN_SECONDS)

    def look(self) -> None:
        """Poll once.

        Raises:
            ScorerError: the brokers do not answer.
        """
        self._take(self.offsets(self._ask(), time.monotonic()))

    def offsets(self, lag: GroupLag, now: float) -> Offsets:
        """Return the offsets, with the commit rate since the last poll; `now` is monotonic seconds."""
        done = sum(each.committed or 0 for each in lag.partitions)
        before, self._before = self._before, (now, done)
        rate = max(0, done - before[1]) / (now - before[0]) if before and now > before[0] else None
        return Offsets(
            lag.state,
            [PartitionOffsets(each.topic, each.partition, each.lag, each.member or "") for each in lag.partitions],
            rate,
        )

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.look()
            except ScorerError:
                self._take(None)
            self._stopping.wait(self._seconds)


@contextmanager
def heard(settings: Settings, model: str) -> Iterator[Feed]:
    """Follow the records of a group's replicas until the block ends, without asking the brokers for offsets.

    Args:
        settings: name the group and the monitor topic.
        model: the model's name.
    """
    feed = Feed(known_of(settings, model), monitor_opener(settings, model), chapters_of(settings))
    feed.start()
    try:
        yield feed
    finally:
        feed.close()


@contextmanager
def watched(settings: Settings, model: str) -> Iterator[Feed]:
    """Watch a group until the block ends: the records of its replicas, and its offsets.

    Args:
        settings: name the group and the monitor topic.
        model: the model's name.

    Raises:
        Unavailable: the brokers do not answer.
        Fatal: an input topic is missing.
    """
    ask = partial(group_lag, Admin(settings.kafka), settings)
    with heard(settings, model) as feed:
        seconds = OFTEN_SECONDS if settings.monitor.topic is None else SELDOM_SECONDS
        watch = OffsetWatch(ask, feed.offsets, seconds)
        watch.look()
        watch.start()
        try:
            yield feed
        finally:
            watch.close()


def group_lag(admin: Admin, settings: Settings) -> GroupLag:
    """Return the lag of the group.

    Raises:
        Unavailable: the brokers do not answer.
        Fatal: an input topic is missing.
    """
    kafka = settings.kafka
    return admin.lag(kafka.group_id, admin.required(kafka.input_topics), kafka.start_from)
