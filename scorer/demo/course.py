"""What happens in a demo while events are scored: each course is a generator that is continued at every look."""

import shlex
import time
from collections.abc import Collection, Generator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from scorer.demo import proof
from scorer.demo.flights import UNITS
from scorer.demo.show import Story
from scorer.demo.stage import LABELS, Stage
from scorer.demo.traffic import Arrivals, Sender, Watcher

KILL_AT = 0.4  # share of the records that are sent before the kill
SERVED_FIRST = 2_000  # predictions of the first version before the roll-out begins
JUDGED = 3_000  # predictions of a canary from which it may be promoted
CONFIDENT = 1.96  # standard errors, for an interval that has the true value in 95 of 100 cases
JUDGE_SECONDS = 1.0  # between two comparisons
JOIN_SECONDS = 30.0  # for the last labels to be joined


@dataclass(frozen=True, slots=True)
class Killed:
    """The replica that was killed, the process that took its place, and when (milliseconds since the epoch)."""

    replica: str
    pid: int
    replaced_by: int
    at_ms: int

    name: ClassVar = "killed"
    missing: ClassVar[list[str]] = []

    def rows(self) -> list[tuple[str, str]]:
        """Return what happened as rows of a table."""
        return [("killed", f"{self.replica}, pid {self.pid}; replaced by pid {self.replaced_by}")]


@dataclass(frozen=True, slots=True)
class Quality:
    """The AUC of a version on the flights that it scored, and half of its interval of 95%."""

    auc: float
    within: float
    flights: int

    def __str__(self) -> str:
        return f"AUC {self.auc:.3f} ± {self.within:.3f} on {self.flights:,} flights"


@dataclass(frozen=True, slots=True)
class RolledOut:
    """A roll-out: what was measured of each version, and what became of the canaries.

    quality:   the quality of each version; the first two are compared on flights of the same days, at the promotion.
    promoted:  the canary that became the champion; None if the events ended before.
    withdrawn: the canary that the guards withdrew; None if the events ended before.
    why:       the reason of the guards.
    scored:    the predictions of that canary.
    """

    quality: dict[str, Quality]
    promoted: str | None
    withdrawn: str | None
    why: str
    scored: int

    name: ClassVar = "rollout"

    @property
    def missing(self) -> list[str]:
        """The expected steps that did not happen before the events ended."""
        said = {
            "no canary was promoted: send more events": self.promoted,
            "no canary was withdrawn: send more events": self.withdrawn,
        }
        return [text for text, version in said.items() if version is None]

    def rows(self) -> list[tuple[str, str]]:
        """Return what happened as rows of a table."""
        known = [(f"version {version}", str(each)) for version, each in self.quality.items() if each.flights]
        promoted = [("promoted", f"version {self.promoted}")] if self.promoted else []
        why = f"version {self.withdrawn} after {self.scored:,} predictions: {self.why}"
        return known + promoted + ([("withdrawn", why)] if self.withdrawn else [])


@dataclass(frozen=True, slots=True, eq=False)
class Play:
    """A running demo; `records` are expected to be sent within its time."""

    stage: Stage
    story: Story
    sender: Sender
    watcher: Watcher
    records: float

    @property
    def over(self) -> bool:
        """Whether everything that was sent has its outcome, and no more will be sent."""
        return not self.sender.is_alive() and self.watcher.outcomes >= self.sender.sent


@dataclass(frozen=True, slots=True)
class Detected:
    """A drifting column that was detected.

    after: how many changed events were scored before that.
    psi:   its PSI in the last window.
    limit: the limit of that PSI.
    """

    after: int
    psi: float
    limit: float


@dataclass(frozen=True, slots=True)
class Drifted:
    """Fields whose units changed, and how that was noticed.

    units:      the new unit of each field.
    told:       the detection of each field, if there was one.
    named:      all columns that drifted afterwards.
    before:     the quality of the predictions before the change, by the real arrivals.
    afterwards: the quality after the change.
    live:       the AUC that `scorer labels report` has of each window, in the order of time.
    """

    units: dict[str, str]
    told: dict[str, Detected]
    named: tuple[str, ...]
    before: Quality
    afterwards: Quality
    live: tuple[float, ...]

    name: ClassVar = "drift"

    @property
    def missing(self) -> list[str]:
        """The expected steps that did not happen before the events ended."""
        unnamed = [f"the drift of {field} was not told: send more events" for field in self.units.keys() - self.told]
        return unnamed + ["no label was joined"] * (not self.live)

    def rows(self) -> list[tuple[str, str]]:
        """Return what happened as rows of a table."""
        rows = [("changed", f"{_changed(self.units)} from half of the events on")]
        for field, told in self.told.items():
            figures = f"PSI {told.psi:.2f}, limit {told.limit:.2f}"
            rows.append(("drift", f"{field}, told after {told.after:,} such events: {figures}"))
        rows += [("before", str(self.before)), ("afterwards", str(self.afterwards))]
        return rows + [("live AUC", " ".join(f"{value:.3f}" for value in self.live))] * bool(self.live)


Happened = Killed | RolledOut | Drifted
Course = Generator[None, None, Happened]


def kill(play: Play) -> Course:
    """Kill the first replica and start another one under its name."""
    while play.sender.is_alive() and play.sender.sent < KILL_AT * play.records:
        yield
    victim = play.stage.replicas[0]
    reads = " ".join(map(str, victim.partitions))
    at_ms = time.time_ns() // 1_000_000
    victim.kill()
    play.story.add(
        f"killed {victim.name} (pid {victim.pid}) with SIGKILL; its partitions {reads} are not being read", "bold red"
    )
    successor = play.stage.start(victim.name)
    play.story.add(f"restarted {successor.name} (pid {successor.pid}): with the same name it gets the same partitions")
    return Killed(victim.name, victim.pid, successor.pid, at_ms)


def roll_out(play: Play) -> Course:
    """Let a canary of a better version be promoted, and one of a bad version be withdrawn by the guards."""
    first, better, bad = play.stage.versions
    promoted = withdrawn = None
    while len(play.watcher.numbers) < SERVED_FIRST and not play.over:
        yield
    # Its scores differ from those of the first version, as they should: by default it would be withdrawn for that.
    yield from _models(play, "guard", "--psi", "1.5", "--least", "500", "--why", "a new column moves the scores")
    yield from _models(play, "canary", better, "--percent", "20", "--why", "it knows how late a flight has left")
    since, due, compared = len(play.watcher.numbers), 0.0, dict[str, Quality]()
    while promoted is None and not play.over:
        yield
        if time.monotonic() >= due:
            due = time.monotonic() + JUDGE_SECONDS
            compared = {version: quality(play.watcher, version, since) for version in (first, better)}
            old, new = compared.values()
            if new.flights >= JUDGED and new.auc - old.auc > np.hypot(new.within, old.within):
                play.story.add(f"version {better} is better: {new}, version {first}: {old}", "bold green")
                yield from _models(play, "promote", better, "--why", f"{new}, before {old}")
                promoted = better
    if promoted:
        yield from _models(play, "canary", bad, "--percent", "20", "--why", "trained on other labels")
    why = ""
    while promoted and not play.over:
        yield
        last = play.stage.rolled_out().history[-1]
        if last.action == "withdraw":
            withdrawn, why = bad, last.why
            play.story.add(f"version {bad} was withdrawn by the guards: {why}", "bold red")
            break
    return RolledOut(
        compared | {bad: quality(play.watcher, bad)}, promoted, withdrawn, why, play.watcher.versions.count(bad)
    )


def drift(play: Play, fields: Collection[str]) -> Course:
    """Let fields change their units half-way, and see who notices."""
    broken = play.sender.stream.broken
    assert broken is not None  # noqa: S101  the stream was made for this
    arrivals = Arrivals(play.stage.sandbox.kafka.bootstrap, LABELS, play.stage.arrivals, play.sender)
    arrivals.start()
    play.stage.command("labels", "run", "--set", "http.port=0")
    play.story.add("`scorer labels run` joins arrivals with predictions; a label comes when the flight has arrived")
    while play.sender.is_alive() and play.sender.sent < broken:
        yield
    units = {field: UNITS[field][0] for field in fields}
    until, before = _drifting(play)  # a window that has ended has no changed event
    play.story.add(f"from now on, {_changed(units)}", "bold red")
    told, named = dict[str, Detected](), set[str]()
    while not play.over:
        yield
        window, now = _drifting(play)
        named |= now.keys() - before.keys()
        for field in sorted(units.keys() & now.keys() - told.keys()) if window > until else ():
            after = sum(number >= broken for number in play.watcher.numbers)
            told[field] = Detected(after, *now[field])
            psi, limit = now[field]
            play.story.add(f"column {field} drifts: PSI {psi:.2f}, limit {limit:.2f}", "bold red")
    arrivals.stop()
    live = yield from _live(play)
    numbers = np.array(play.watcher.numbers, np.int64)
    first, second = (_quality(play.watcher, np.flatnonzero(side)) for side in (numbers < broken, numbers >= broken))
    return Drifted(units, told, tuple(sorted(named)), first, second, live)


def _changed(units: Mapping[str, str]) -> str:
    return " and ".join(f"{field} is in {unit}" for field, unit in units.items())


def _drifting(play: Play) -> tuple[int, dict[str, tuple[float, float]]]:
    """Return the number of the live page's last window, and the columns that drift in it: PSI, and its limit."""
    found = play.stage.feed.document()["drift"] if play.stage.feed else None
    if not found:
        return -1, {}
    last = found["windows"][-1]
    columns = zip(found["columns"], last["psi"], strict=True)
    return last["number"], {each["name"]: (psi, each["limit"] or 0.0) for each, psi in columns if each["alarm"]}


def _live(play: Play) -> Generator[None, None, tuple[float, ...]]:
    """Return the AUC of each window that `scorer labels report` shows, once all labels are joined or for a while."""
    end, live = time.monotonic() + JOIN_SECONDS, tuple[float, ...]()
    while time.monotonic() < end:
        report = play.stage.command("labels", "report", "--json")
        while not report.ended():
            yield
        document = report.document()
        found = tuple(
            float(arm["metrics"]["auc"]["value"])
            for window in document["history"]
            for arm in window["arms"]
            if arm["metrics"].get("auc", {}).get("value") is not None
        )
        if found and found == live:
            break
        live = found
    return live


def quality(watcher: Watcher, version: str, since: int = 0) -> Quality:
    """Return how well a version has done on the flights that it scored, each once.

    Args:
        watcher: has the predictions.
        version: the version.
        since: how many predictions are left out. Versions are compared on the flights of the same days.
    """
    versions = np.array(watcher.versions[since : len(watcher.numbers)], np.str_)
    return _quality(watcher, since + np.flatnonzero(versions == version))


def _quality(watcher: Watcher, rows: NDArray[np.int64]) -> Quality:
    """Return how well some predictions have done, each flight once."""
    numbers = np.array(watcher.numbers, np.int64)[rows]
    own, at = np.unique(numbers, return_index=True)
    late, scores = watcher.sender.stream.late(own), np.array(watcher.scores, np.float64)[rows[at]]
    within = CONFIDENT * proof.auc_error(late, scores)
    return Quality(proof.auc(late, scores), within, int(np.isfinite(late).sum()))


def _models(play: Play, *words: str) -> Generator[None, None, None]:
    """Change the roll-out state with the command that people use."""
    command = play.stage.command("models", *words)
    play.story.add(f"$ scorer models {shlex.join(words)}", "bold cyan")
    while not command.ended():
        yield
