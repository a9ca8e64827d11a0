"""What shows a group from outside: its replicas by the monitor topic, and its offsets by the brokers."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from scorer.background import Background
from scorer.errors import ScorerError
from scorer.group.drifting import rules_of
from scorer.kafka import Admin, GroupLag, MonitorTopic
from scorer.page.drift import DriftChapter
from scorer.page.feed import Chapter, Ear, Feed, HeardLog
from scorer.page.quality import QualityChapter
from scorer.page.view import Known, Offsets, PartitionOffsets
from scorer.settings import Settings

OFTEN_SECONDS = 3.0  # between two looks at the offsets, where nothing else is known
SELDOM_SECONDS = 10.0  # the same, where replicas tell their lag
JOIN_SECONDS = 1.0

TOPIC = "Set `monitor.topic`, and `scorer topics --create` makes it: each replica then tells what it does."
LABELS = "Set `labels` to the topic of what came true, and run `scorer labels run`."
JOINED = "No label has come yet: `scorer labels run` joins labels with predictions."


def notes_of(settings: Settings) -> dict[str, str]:
    """Return what the settings leave out, by the part of the view that lacks it, and how to have it."""
    topic, explains = settings.monitor.topic, settings.predictions.explain is not None
    notes = {} if topic else dict.fromkeys(("replicas", "recent", "drift", "quality"), TOPIC)
    if topic:
        notes |= {
            "drift": "No window has ended yet.",
            "quality": LABELS if settings.labels is None else JOINED,
            "recent": "Replicas tell their last predictions with `http: {page: true}`.",
        }
    if not explains:
        notes["explanations"] = "Strongest columns: turn on predictions.explain."
    return notes


def known_of(settings: Settings, model: str) -> Known:
    """Return what is known of a group before anything was heard."""
    return Known(settings.kafka.group_id, model, notes_of(settings))


def heard_by(settings: Settings, model: str) -> Callable[[Ear], HeardLog] | None:
    """Return what opens the monitor topic for an ear; None if there is none."""
    topic = settings.monitor.topic
    return None if topic is None else lambda ear: MonitorTopic(settings.kafka, topic, model, [ear])


def chapters_of(settings: Settings) -> dict[str, Chapter]:
    """Return what makes the parts of the view that are not of the status of replicas."""
    return {"drift": DriftChapter(rules_of(settings.monitor)), "quality": QualityChapter()}


class OffsetWatch(Background):
    """Asks the brokers now and then how far the group is, on a thread of its own.

    Never in the process of a replica: a request about a group may end the process that makes it.

    Args:
        ask: returns how far the group is.
        take: is given it; None while the brokers do not answer.
        seconds: between two questions.
    """

    def __init__(self, ask: Callable[[], GroupLag], take: Callable[[Offsets | None], None], seconds: float) -> None:
        self._ask, self._take, self._seconds = ask, take, seconds
        self._before: tuple[float, int] | None = None  # when the group was how far
        super().__init__("offsets", JOIN_SECONDS)

    def look(self) -> None:
        """Ask once.

        Raises:
            ScorerError: the brokers do not answer.
        """
        self._take(self.offsets(self._ask(), time.monotonic()))

    def offsets(self, lag: GroupLag, now: float) -> Offsets:
        """Return how far the group is, with the rate since the look before; `now` is monotonic seconds."""
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
    """Hear what the replicas of a group tell until the block ends, and ask the brokers for nothing else.

    Args:
        settings: name the group, and the topic in which replicas tell what they do.
        model: the model's name.
    """
    feed = Feed(known_of(settings, model), heard_by(settings, model), chapters_of(settings))
    feed.start()
    try:
        yield feed
    finally:
        feed.close()


@contextmanager
def watched(settings: Settings, model: str) -> Iterator[Feed]:
    """Watch a group until the block ends, having heard what its replicas have told so far.

    Args:
        settings: name the group, and the topic in which replicas tell what they do.
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
    """Return how far the group is.

    Raises:
        Unavailable: the brokers do not answer.
        Fatal: an input topic is missing.
    """
    kafka = settings.kafka
    return admin.lag(kafka.group_id, admin.required(kafka.input_topics), kafka.start_from)
