"""The presence of a replica in its group: the status that it publishes, and the live page that it may serve."""

import uuid

from scorer.kafka import MonitorListener
from scorer.monitor import Health, Metrics, Observer, Pages
from scorer.page.feed import Feed, FeedLog, OwnLog
from scorer.page.group import chapters_of, known_of, monitor_opener
from scorer.page.site import Site
from scorer.page.telling import Ledger, StatusSource, Who, named
from scorer.settings import Settings

ALONE = "Set `monitor.topic` to see the whole group: without it, this page shows this replica alone."


class Presence:
    """The status of a replica for the monitor topic, and its live page.

    It counts nothing if there is neither a monitor topic nor a page.

    Args:
        settings: the replica's settings.
        model: the model's name.
        metrics: what the replica counts.
        health: whether it is ready.
    """

    def __init__(self, settings: Settings, model: str, metrics: Metrics, health: Health) -> None:
        self.observers: list[Observer] = []
        self.tellers: list[StatusSource] = []
        self.pages: Pages | None = None
        self._feed: Feed | None = None
        page = settings.http is not None and settings.http.page
        if not page and settings.monitor.topic is None:
            return
        ledger = Ledger(recent=page)
        who = Who(uuid.uuid4().hex, named(settings.kafka.instance_id), settings.kafka.group_id, model)
        source = StatusSource(who, metrics, health, ledger)
        self.observers, self.tellers = [ledger], [source]
        if page:
            self._feed = _feed(settings, model, source)
            self.pages = Site(self._feed)

    def start(self) -> None:
        """Keep the page up to date from now on."""
        if self._feed is not None:
            self._feed.start()

    def close(self) -> None:
        """Stop."""
        if self._feed is not None:
            self._feed.close()


def _feed(settings: Settings, model: str, source: StatusSource) -> Feed:
    known, opened = known_of(settings, model), monitor_opener(settings, model)
    if opened is not None:
        return Feed(known, opened, chapters_of(settings))
    known.notes |= {"replicas": ALONE, "recent": "No prediction yet."}

    def own(listener: MonitorListener) -> FeedLog:
        return OwnLog(listener, source.due)

    return Feed(known, own)
