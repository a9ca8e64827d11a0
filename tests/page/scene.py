"""A group of replicas in memory, that tells what replicas tell, for tests of what is shown of it."""

import itertools
import math
import random
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from scorer.kafka import MonitorListener
from scorer.monitor import Health, Server, serve
from scorer.monitor.metrics import END_TO_END_SECONDS
from scorer.page.feed import Chapter, Feed
from scorer.page.site import Site
from scorer.page.status import KIND, ArmStatus, LetterStatus, RecentStatus, StageStatus, Status
from scorer.page.view import Known
from scorer.settings import HttpSettings

GROUP, MODEL = "flight-delays", "flight-delays"
BEGAN = 1_780_000_000.0
PAST = 40  # windows that ended before anybody looked
SHARES = (0.0, 0.2, 0.5, 0.9, 0.99)  # of the events, that take at most 1, 2, 5, 10 and 20 ms; the others take 50


class Shelf:
    """The log: what was told, and who listens to it."""

    def __init__(self) -> None:
        self._told: list[tuple[str, str, object, float]] = []
        self._lock = threading.Lock()
        self._listener: MonitorListener | None = None
        self._heard = 0

    def tell(self, name: str, document: object, at: float | None = None, kind: str = KIND) -> None:
        with self._lock:
            self._told.append((kind, name, document, time.time() if at is None else at))

    def open(self, listener: MonitorListener) -> "Shelf":
        self._listener, self._heard = listener, 0
        listener.began()
        return self

    def read(self) -> None:
        assert self._listener is not None
        with self._lock:
            new, self._heard = self._told[self._heard :], len(self._told)
        for record in new:
            self._listener.heard(*record)

    def wait(self, seconds: float) -> None:
        time.sleep(min(seconds, 0.05))
        self.read()

    def close(self) -> None:
        pass


def status(name: str, second: float, **changes: Any) -> Status:
    """What a replica tells that scores 1,000 events a second, of which one in a thousand is a dead letter."""
    events = int(1000 * second)
    shares = [*SHARES, *itertools.repeat(1.0, len(END_TO_END_SECONDS) + 1 - len(SHARES))]
    given: dict[str, Any] = {
        "replica": name,
        "name": name,
        "host": "host-1",
        "pid": 4711,
        "group": GROUP,
        "model": MODEL,
        "scorer": "0.1.0",
        "started": BEGAN,
        "time": BEGAN + second,
        "outcomes": {"predicted": events - events // 1000, "dead_letter": events // 1000},
        "latency": [int(share * events) for share in shares],
        "stages": {
            "decode": StageStatus(events // 100, 0.1 * second),
            "score": StageStatus(events // 100, 0.3 * second),
        },
        "lag": [("flights", 0, 12), ("flights", 1, 34)],
        "arms": [
            ArmStatus(name="champion", version="1", events=events * 9 // 10),
            ArmStatus(name="canary", version="2", events=events - events * 9 // 10),
        ],
        "rejected": {
            "bad-value": LetterStatus(count=events // 1000, place="flights-1-77", version="1", at=BEGAN + second)
        },
        "features": {"plane": {"hit": events - events // 50, "missing": events // 50}},
        "ready": True,
        "memory": 190_000_000,
        "cpu": 0.4 * second,
    }
    return Status(**given | changes)


@dataclass
class Scene:
    """Replicas that tell something every second, until they are killed.

    replicas:   how many.
    partitions: of the topic, shared among them.
    columns:    whose drift is shown; 0 shows none.
    drifting:   the columns that drift.
    quality:    whether there are labels.
    names:      of the columns.
    name:       of every replica; {} is replaced by its number.
    notes:      what is missing.
    """

    replicas: int = 3
    partitions: int = 6
    columns: int = 0
    drifting: set[str] = field(default_factory=set)
    quality: bool = False
    names: tuple[str, ...] = ()
    name: str = "replica-{}"
    notes: dict[str, str] = field(default_factory=dict)
    shelf: Shelf = field(default_factory=Shelf)
    killed: set[str] = field(default_factory=set)
    quiet: threading.Event = field(default_factory=threading.Event)  # while set, no window has ended

    def __post_init__(self) -> None:
        self._chance, self._began = random.Random(7), time.time()  # noqa: S311  looks real, and is the same each time
        self._drift = DriftScene(self) if self.columns else None

    def tell(self, at: float) -> None:
        """Tell what every replica has done up to a time, Unix seconds."""
        for number in range(self.replicas):
            name = self.name.format(number + 1)
            if name not in self.killed:
                self.shelf.tell(name, self._status(name, number, at).document(), at)

    def past(self, seconds: int) -> None:
        """Tell what there was to tell in the last seconds."""
        for second in range(seconds, 0, -1):
            self.tell(time.time() - second)

    def chapters(self) -> Mapping[str, Chapter]:
        """What makes the parts of the document that are not of replicas."""
        found: dict[str, Chapter] = {"drift": self._drift} if self._drift else {}
        return found | ({"quality": QualityScene()} if self.quality else {})

    def _status(self, name: str, number: int, at: float) -> Status:
        owned = range(number, self.partitions, self.replicas)
        recent = [
            RecentStatus(
                id=f"2013-10-{number + 10} UA {1500 + index}",
                score=round(self._chance.random(), 4),
                arm="champion",
                version="1",
                at=at - 0.1 * index,
                columns=[("dep_delay", round(self._chance.gauss(0, 1), 2)), ("distance", 0.21), ("hour", -0.12)],
            )
            for index in range(3)
        ]
        lag = [("flights", each, self._chance.randrange(60)) for each in owned]
        past = at - self._began
        worked = 1000 + past + 8 * math.sin(past / 30 + number)  # seconds: the rate goes up and down, events never do
        given = {"pid": 4711 + number, "started": self._began - 1000, "time": at, "lag": lag, "recent": recent}
        told = status(name, worked, **given)
        slow = int(60 * worked + 1500 * math.sin(past / 60 + number))  # events that took from 20 to 50 ms
        letter = told.rejected["bad-value"].model_copy(update={"at": at})
        latency = [max(0, count - slow * (place < len(SHARES))) for place, count in enumerate(told.latency)]
        return told.model_copy(update={"latency": latency, "rejected": {"bad-value": letter}})


class DriftScene:
    """Columns of which some drift, with a window each second."""

    def __init__(self, scene: Scene) -> None:
        self._names = scene.names or [f"column_{number:03}" for number in range(scene.columns)]
        self._quiet, self._drifting = scene.quiet, scene.drifting
        self._chance = random.Random(3)  # noqa: S311  as above
        self._began = time.time()
        self._windows = [self._window(number, self._began + number - PAST) for number in range(PAST)]

    def began(self) -> None:
        pass

    def heard(self, kind: str, name: str, document: object, seconds: float) -> None:
        pass

    def document(self) -> dict[str, Any] | None:
        if self._quiet.is_set():
            return None
        number = PAST + int(time.time() - self._began)
        if number > self._windows[-1]["number"]:
            self._windows = [*self._windows, self._window(number, time.time())][-60:]
        bins, shares = ["missing", *(f"{edge / 10:.1f}" for edge in range(10))], [0.02, *[0.098] * 10]
        shifted = [round(share * (0.4 + 0.12 * at), 4) for at, share in enumerate(shares)]
        return {
            "baseline": "b",
            "reference": "the baseline",
            "columns": [{"name": name, "limit": 0.056, "alarm": name in self._drifting} for name in self._names],
            "windows": self._windows,
            "histograms": {
                name: {"bins": bins, "reference": shares, "now": shifted if name in self._drifting else shares}
                for name in self._names
            },
        }

    def _window(self, number: int, at: float) -> dict[str, Any]:
        late = number > PAST - 12
        psi = [self._psi(drifts=late and name in self._drifting) for name in self._names]
        return {"number": number, "at": round(at, 1), "events": 1000, "psi": psi}

    def _psi(self, *, drifts: bool) -> float:
        return round(self._chance.uniform(0.1, 0.3) if drifts else self._chance.uniform(0, 0.03), 4)


FIGURES = (
    ("AUC", "1", "champion", 0.912, 0.898, 0.925),
    ("AUC", "2", "canary", 0.917, 0.882, 0.949),
    ("Brier score", "1", "champion", 0.101, 0.094, 0.108),
)


class QualityScene:
    """What labels say."""

    def began(self) -> None:
        pass

    def heard(self, kind: str, name: str, document: object, seconds: float) -> None:
        pass

    def document(self) -> dict[str, Any]:
        names = ("metric", "version", "arm", "value", "low", "high")
        figures = [dict(zip(names, each, strict=True)) | {"count": 8210, "history": []} for each in FIGURES]
        figures[0]["history"] = [0.90 + 0.012 * math.sin(hour / 2) for hour in range(24)]
        return {"about": "labels of the last 24 hours", "metrics": figures}


@contextmanager
def shown(scene: Scene, http: HttpSettings | None = None) -> Iterator[Server]:
    """Serve the page of a scene, whose replicas go on telling until the block ends."""
    ending = threading.Event()

    def go_on() -> None:
        while not ending.wait(1.0):
            scene.tell(time.time())

    feed = Feed(Known(GROUP, MODEL, scene.notes), scene.shelf.open, scene.chapters())
    thread = threading.Thread(target=go_on, daemon=True)
    health = Health(60)
    health.heartbeat()
    feed.start()
    thread.start()
    try:
        with serve(http or HttpSettings(port=0), None, health, Site(feed, at_home=True)) as server:
            yield server
    finally:
        ending.set()
        thread.join()
        feed.close()
