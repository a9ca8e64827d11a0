"""The document is made anew each second from what was told, and the series has what came before."""

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from scorer.errors import Unavailable
from scorer.kafka import MonitorListener
from scorer.page import feed as module
from scorer.page.feed import SERIES_SECONDS, Feed, Mark, OwnLog, newer
from scorer.page.view import Document, Known
from tests.page.scene import GROUP, MODEL, Scene, Shelf, status


def feed_of(scene: Scene, **known: Any) -> Feed:
    return Feed(Known(GROUP, MODEL, **known), scene.shelf.open, scene.chapters())


def until(holds: Callable[[], object], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


class Still:
    """A chapter in which nothing happens."""

    def __init__(self, document: Document | None) -> None:
        self._document = document

    def began(self) -> None:
        pass

    def heard(self, kind: str, name: str, document: object, seconds: float) -> None:
        pass

    def document(self) -> Document | None:
        return self._document


def test_the_series_has_what_was_told_before_anybody_listened() -> None:
    scene = Scene()
    scene.past(SERIES_SECONDS + 60)
    feed = feed_of(scene)
    scene.shelf.open(feed).read()
    points = feed.document()["series"]["points"]
    assert SERIES_SECONDS - 10 < len(points) <= SERIES_SECONDS
    assert points == sorted(points)
    assert points[-1][1] == pytest.approx(3000, rel=0.4)


def test_a_replica_that_was_killed_before_anybody_listened_is_gone_at_once() -> None:
    scene = Scene(replicas=1)
    scene.tell(time.time() - 30)
    feed = feed_of(scene)
    scene.shelf.open(feed).read()
    feed.tick()
    assert [each["state"] for each in feed.document()["replicas"]] == ["gone"]


def test_a_replica_whose_clock_is_wrong_is_not_gone_while_it_tells() -> None:
    scene = Scene(replicas=1)
    feed = feed_of(scene)
    feed.start()
    try:
        until(lambda: feed._live)
        scene.tell(time.time() - 300)
        until(lambda: [each["state"] for each in feed.document()["replicas"]] == ["running"])
    finally:
        feed.close()


def test_news_have_what_came_since_and_nothing_twice() -> None:
    scene = Scene(columns=3)
    feed = feed_of(scene)
    feed._chapters["drift"] = Still(scene.chapters()["drift"].document())
    now = time.time()
    feed._clock = lambda: now
    scene.shelf.open(feed).read()
    feed.tick()
    whole, mark = feed.whole()
    assert len(json.loads(whole)["drift"]["windows"]) >= 40
    news, again = feed.news(mark)
    told = json.loads(news)
    assert (told["series"]["points"], told["drift"]["windows"], again) == ([], [], mark)
    assert told["drift"]["partial"]
    assert "histograms" not in told["drift"]
    now += 1.5
    feed.tick()
    told = json.loads(feed.news(mark)[0])
    assert [each[0] for each in told["series"]["points"]] == [round(now, 1)]


def test_new_windows_come_with_histograms() -> None:
    drift = {"baseline": "b", "windows": [{"number": 1}, {"number": 2}], "histograms": {"a": 1}, "columns": []}
    assert newer(drift, Mark(0.0, 1, "b")) == {**drift, "windows": [{"number": 2}], "partial": True}


def test_windows_of_another_baseline_are_told_from_the_first_one_on() -> None:
    drift = {"baseline": "b", "windows": [{"number": 1}, {"number": 2}], "histograms": {"a": 1}, "columns": []}
    assert newer(drift, Mark(0.0, 7, "a")) == drift


def test_while_the_log_is_away_the_document_says_so_and_recovers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.05)
    monkeypatch.setattr(module, "TICK_SECONDS", 0.05)
    scene, away = Scene(), threading.Event()
    away.set()

    def opened(listener: MonitorListener) -> Shelf:
        if away.is_set():
            raise Unavailable("the brokers are away")
        return scene.shelf.open(listener)

    feed = Feed(Known(GROUP, MODEL), opened)
    feed.start()
    try:
        until(lambda: feed.document()["health"] == {"state": "unknown", "words": "the brokers are away"})
        away.clear()
        scene.tell(time.time())
        until(lambda: feed.document()["health"]["state"] == "ok")
    finally:
        feed.close()


def test_a_replica_without_a_topic_shows_itself() -> None:
    def due(now: float) -> list[tuple[str, object]]:
        return [("status/a", status("a", now).document())]

    feed = Feed(Known(GROUP, MODEL), lambda listener: OwnLog(listener, due))
    feed.start()
    try:
        until(lambda: feed.document()["replicas"])
    finally:
        feed.close()
    assert feed.document()["health"]["words"] == "1 replica ready, keeping up"


def test_a_mark_of_nothing_is_before_everything() -> None:
    assert Feed(Known(GROUP, MODEL), None).whole()[1] == Mark(0.0, -1)
