"""Counts the outcomes of each arm on this replica. The loop only hands over the arrays of each batch."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, cast
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from scorer.batch import Outcome, Records, Rejected, ScoreArray
from scorer.rollout.board import Board
from scorer.rollout.guards import Guards
from scorer.rollout.sums import KEY_CELLS, ArmSums, Sums

MOST_WAITING = 500  # batches that wait to be counted; further ones are ignored
QUANTILES = np.arange(1, 10) / 10
LEAST_FOR_EDGES = 100  # the champion's scores that are needed to choose bins
NO_KEY = -1  # instead of a hash
QUICK_SECONDS = 0.001  # a shorter call is never slow: most of it is the fixed cost of a call


class Batch(NamedTuple):
    """The arrays of one batch that are counted."""

    versions: tuple[str, ...]  # of the arms
    arm: NDArray[np.uint8]  # [rows]
    judged: NDArray[np.bool_]  # [rows]: whether it was decoded: the version is to blame for any failure after that
    failed: NDArray[np.bool_]  # [rows]
    scores: ScoreArray  # [rows] or [rows, outputs]
    seconds: NDArray[np.float64]  # [arms]
    keys: Sequence[bytes | None]  # [rows]; empty if no row has one


class Tally:
    """The sums of this replica in the current window.

    A record counts in the window in which the group reads it, which may be later than the one it was written for. So
    sums that are known to count in the current window are kept apart from those whose record is not read yet.

    The loop calls `written`; everything else is called by one other thread.

    Args:
        replica: the unique name of this replica.
    """

    def __init__(self, replica: str) -> None:
        self.replica = replica
        self._waiting: deque[Batch] = deque()
        self._on = False
        self._number = 0
        self._told: Sums | None = None  # the last record
        self._champion = self._change = ""
        self._window = 0
        self._sure: dict[str, _Arm] = {}  # sums that the group has counted in this window
        self._parts: dict[int, dict[str, _Arm]] = {}  # other sums, by the number of the first record with them
        self._champion_seconds, self._champion_events = 0.0, 0

    def scored(self, outcome: Outcome) -> None:
        """Count nothing: the batch may be scored again."""

    def written(self, records: Records, outcome: Outcome, unwritable: Sequence[Rejected]) -> None:
        """Queue a batch for counting if it has several arms; on the loop's thread."""
        if self._on and len(outcome.predictions.arms) > 1 and len(self._waiting) < MOST_WAITING:
            self._waiting.append(batch_of(records, outcome, unwritable))

    def iteration_ended(self, records: Records | None) -> None:
        """Count nothing."""

    def switch(self, *, on: bool) -> None:
        """Turn counting on or off."""
        self._on = on

    def sums(self, board: Board, guards: Guards) -> Sums | None:
        """Return this replica's sums for the current window of the group; None if they have not changed.

        Args:
            board: the board of the group, which knows the window.
            guards: the limits.
        """
        self._follow(board)
        state = board.state
        self._champion = state.champion if state else ""
        versions = (state.champion, *(canary.version for canary in state.canaries)) if state else ()
        while self._waiting:
            batch = self._waiting.popleft()
            if batch.versions == versions:  # otherwise it was scored before the latest change of the state
                self._add(batch, guards)
        edges = board.edges or self._proposed()
        arms: dict[str, ArmSums] = {}
        for part in (self._sure, *self._parts.values()):
            for version, arm in part.items():
                arms[version] = arms.get(version, ArmSums()) + arm.sums(edges, agreed=bool(board.edges))
        sums = Sums(self.replica, self._change, self._window, self._number, edges, arms)
        if not arms or sums == self._told:
            return None
        self._number += 1
        self._told = replace(sums, number=self._number)
        return self._told

    def _follow(self, board: Board) -> None:
        """Start over with another state; with another window, drop the sums that were counted in the one before."""
        if board.change != self._change:
            self._begin(board.change, board.window)
        elif board.window != self._window:
            counted = board.closed.get(self.replica, 0)
            self._window, self._sure = board.window, {}
            self._parts = {number: part for number, part in self._parts.items() if number > counted}
        for number in [each for each in self._parts if each <= board.counted(self.replica)]:
            for version, arm in self._parts.pop(number).items():
                self._sure.setdefault(version, _Arm()).take(arm)

    def _begin(self, change: str, window: int) -> None:
        self._change, self._window, self._sure, self._parts = change, window, {}, {}
        self._champion_seconds, self._champion_events = 0.0, 0

    def _add(self, batch: Batch, guards: Guards) -> None:
        hashed = hashes(batch.keys) if batch.keys else np.full(len(batch.arm), NO_KEY)
        for number, version in enumerate(batch.versions):
            rows = np.flatnonzero(batch.judged & (batch.arm == number))
            if not len(rows):
                continue
            seconds = float(batch.seconds[number]) if len(batch.seconds) else 0.0
            if not number:
                self._champion_seconds += seconds
                self._champion_events += len(rows)
            arm = self._parts.setdefault(self._number + 1, {}).setdefault(version, _Arm())
            arm.add(batch, rows, hashed[rows])
            if self._champion_events:
                usual = len(rows) * self._champion_seconds / self._champion_events
                arm.called(seconds, slow=seconds > max(QUICK_SECONDS, (guards.latency or np.inf) * usual))

    def _proposed(self) -> tuple[float, ...]:
        """Return the edges of bins with equal shares of the champion's scores; none while there are too few scores."""
        arms = [part[self._champion] for part in (self._sure, *self._parts.values()) if self._champion in part]
        scores = np.concatenate([np.empty(0), *(arm.unbinned() for arm in arms)])
        return edges_of(scores) if len(scores) >= LEAST_FOR_EDGES else ()


@dataclass(slots=True)
class _Arm:
    """The sums of one version in the window, and its scores that are not in bins yet."""

    events: int = 0
    alone: int = 0
    keys: NDArray[np.int64] = field(default_factory=lambda: np.zeros(KEY_CELLS, np.int64))
    failed: int = 0
    calls: int = 0
    slow: int = 0
    seconds: float = 0.0
    scores: list[NDArray[np.float64]] = field(default_factory=list)
    bins: NDArray[np.int64] | None = None  # None before the group agrees on them

    def add(self, batch: Batch, rows: NDArray[np.intp], hashed: NDArray[np.int64]) -> None:
        """Count some rows of a batch.

        Args:
            batch: the batch.
            rows: the rows.
            hashed: int64 [of these rows], a hash of each key, or NO_KEY.
        """
        failed = batch.failed[rows]
        self.events += len(rows)
        self.failed += int(failed.sum())
        self.scores.append(one_number(batch.scores[rows[~failed]]))
        known = hashed[hashed != NO_KEY]
        self.alone += len(rows) - len(known)
        signs = 1 - 2 * (known // KEY_CELLS % 2)
        self.keys += np.bincount(known % KEY_CELLS, signs, KEY_CELLS).astype(np.int64)

    def called(self, seconds: float, *, slow: bool) -> None:
        """Count a call of the model."""
        self.calls += 1
        self.slow += slow
        self.seconds += seconds

    def take(self, other: "_Arm") -> None:
        """Add the sums of another."""
        self.events += other.events
        self.alone += other.alone
        self.keys += other.keys
        self.failed += other.failed
        self.calls += other.calls
        self.slow += other.slow
        self.seconds += other.seconds
        self.scores += other.scores
        if other.bins is not None:
            self.bins = other.bins if self.bins is None else self.bins + other.bins

    def unbinned(self) -> NDArray[np.float64]:
        """Return the scores that are not in bins yet."""
        return np.concatenate(self.scores) if self.scores else np.empty(0)

    def sums(self, edges: tuple[float, ...], *, agreed: bool) -> ArmSums:
        """Return the sums.

        Args:
            edges: the edges of the bins; empty if they are not chosen yet.
            agreed: whether the group uses these edges; the scores themselves are then dropped.
        """
        bins = tuple[int, ...]()
        if edges:
            counts = np.bincount(np.searchsorted(edges, self.unbinned()), minlength=len(edges) + 1)
            counts = counts if self.bins is None else counts + self.bins
            bins = tuple(counts.tolist())
            if agreed:
                self.bins, self.scores = counts, []
        keys = tuple(self.keys.tolist()) if self.alone < self.events else ()
        return ArmSums(self.events, self.alone, keys, self.failed, self.calls, self.slow, self.seconds, bins)


def batch_of(records: Records, outcome: Outcome, unwritable: Sequence[Rejected]) -> Batch:
    """Return the arrays of a written batch that are counted."""
    predictions, rows = outcome.predictions, len(records)
    scores, scored = predictions.scores, predictions.rows
    judged = np.ones(rows, np.bool_)
    judged[[each.row for each in outcome.rejected[: outcome.undecoded]]] = False
    failed = np.ones(rows, np.bool_)
    failed[scored] = ~np.isfinite(scores[scored]).reshape(len(scored), -1).all(axis=1)
    failed[[each.row for each in unwritable]] = True
    versions = tuple(version for version, _ in predictions.arms)
    return Batch(versions, predictions.arm, judged, failed, scores, np.asarray(outcome.seconds), records.keys)


def hashes(keys: Sequence[bytes | None]) -> NDArray[np.int64]:
    """Return a hash of each key, the same on every replica; NO_KEY where there is none."""
    if None not in keys:
        return np.fromiter(map(crc32, cast("Sequence[bytes]", keys)), np.int64, len(keys))
    return np.array([NO_KEY if key is None else crc32(key) for key in keys], np.int64)


def one_number(scores: ScoreArray) -> NDArray[np.float64]:
    """Return one number per row: its score, or for several classes the most likely one, with its score as fraction."""
    if scores.ndim == 1:
        return scores.astype(np.float64)
    best = scores.argmax(axis=1) if len(scores) else np.empty(0, np.intp)
    most = scores[np.arange(len(scores)), best].astype(np.float64)
    fraction: NDArray[np.float64] = 0.5 + 0.5 * most / (1 + np.abs(most))
    return best + fraction


def edges_of(scores: NDArray[np.float64]) -> tuple[float, ...]:
    """Return the edges of bins with about equal shares; a score that many events have gets a bin of its own."""
    edges = np.quantile(scores, QUANTILES, method="inverted_cdf")
    distinct, counts = np.unique(edges, return_counts=True)
    frequent = distinct[(counts > 1) | (len(distinct) == 1)]
    return tuple(np.unique(np.concatenate([distinct, np.nextafter(frequent, -np.inf)])).tolist())
