"""The scoring core: decoded events in, predictions out. A stream, a file and a notebook all call it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from scorer.batch import Events, Explanations, Found, Matrix, Outcome, Predictions, Rejected, Scores
from scorer.made_often import made_often
from scorer.model import Booster
from scorer.scoring.features import Features, Keyed
from scorer.store.protocol import Request

Watch = Callable[[str], AbstractContextManager[None]]  # returns the context manager that times the named stage

# Returns explanations of some of the scored rows, or None if no row asks for one; see `Explaining.explain`.
Explain = Callable[[Events, Matrix, Scores, NDArray[np.int64]], Explanations | None]


def unwatched(_: str) -> AbstractContextManager[None]:
    """Time nothing."""
    return nullcontext()


@dataclass(frozen=True, slots=True)
class Arm:
    """One version of a model, and its role."""

    model: str
    version: str
    name: str
    entities: tuple[str, ...]  # in the order of the plan


@made_often
@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A batch with its keys, and the requests that look them up."""

    events: Events
    keyed: Sequence[Keyed]
    requests: Sequence[Request]
    arms: NDArray[np.uint8]  # [rows]: the index of each row's arm; empty if there is one arm


NO_ARMS = np.empty(0, np.uint8)


class BaseScorer(ABC):
    """Scores batches of events, in steps that a caller may take one by one.

    It does no I/O of its own, reads no clock and counts nothing; `features` was given the function that looks up.

    Args:
        features: gives each event its features.
        watch: times the stages `keys`, `look_up`, `assemble` and `score`.
    """

    def __init__(self, features: Features, watch: Watch) -> None:
        self._features = features
        self._keys, self._look_up, self._assemble, self._score = map(watch, ("keys", "look_up", "assemble", "score"))

    def score(self, events: Events, now: float) -> Outcome:
        """Score a batch.

        Args:
            events: the batch; its rejected rows are not scored.
            now: Unix seconds, for the age of features and the time of the predictions.

        Raises:
            Unavailable: features cannot be looked up now, and the policy is to wait.
            Fatal: a model no longer scores any row.
        """
        prepared = self.prepare(events)
        return self.finish(prepared, self.look_up(prepared, now), now)

    @abstractmethod
    def prepare(self, events: Events) -> Prepared:
        """Make the keys of a batch."""

    def look_up(self, prepared: Prepared, now: float) -> tuple[Found, ...]:
        """Look up the keys of a batch.

        Raises:
            Unavailable: features cannot be looked up now, and the policy is to wait.
        """
        with self._look_up:
            return self._features.look_up(prepared.keyed, prepared.events, now, prepared.requests)

    @abstractmethod
    def finish(self, prepared: Prepared, found: tuple[Found, ...], now: float) -> Outcome:
        """Score a batch whose keys were looked up.

        Raises:
            Fatal: a model no longer scores any row.
        """


class Scorer(BaseScorer):
    """Scores batches of events with one version of a model.

    Args:
        arm: the model, its version and its role.
        features: gives each event its features.
        booster: the model.
        watch: see `BaseScorer`.
        explain: explains predictions, as part of the stage `score`; None if no prediction is explained.
    """

    def __init__(
        self,
        arm: Arm,
        features: Features,
        booster: Booster,
        watch: Watch = unwatched,
        explain: Explain | None = None,
    ) -> None:
        super().__init__(features, watch)
        self._arm, self._booster, self._explain = arm, booster, explain

    def prepare(self, events: Events) -> Prepared:
        """Make the keys of a batch."""
        with self._keys:
            keyed = self._features.keys(events)
            return Prepared(events, keyed, self._features.requests(keyed), NO_ARMS)

    def finish(self, prepared: Prepared, found: tuple[Found, ...], now: float) -> Outcome:
        """See `BaseScorer.finish`."""
        events = prepared.events
        with self._assemble:
            matrix = self._features.assemble(events, found)
        with self._score:
            scores = self._booster.score(matrix.values)
            rejected = [*events.rejected, *matrix.rejected, *scores.rejected]
            if rejected:
                rejected = of_version(self._arm.version, once(rejected))
            rows = scored_rows(events.rows, rejected)
            explanations = self._explain(events, matrix, scores, rows) if self._explain else None
        predictions = self._predictions(events, matrix, scores, rows, now)
        if explanations:
            predictions = replace(predictions, explanations=explanations)
        return Outcome(predictions, rejected, matrix, found)

    def _predictions(
        self, events: Events, matrix: Matrix, scores: Scores, rows: NDArray[np.int64], now: float
    ) -> Predictions:
        return Predictions(
            rows=rows,
            data=events.data,
            id_starts=events.id_starts,
            id_ends=events.id_ends,
            scores=scores.values,
            model=self._arm.model,
            arms=((self._arm.version, self._arm.name),),
            arm=np.zeros(events.rows, np.uint8),
            entities=self._arm.entities,
            missing=matrix.missing,
            degraded=matrix.degraded,
            origin=events.origin,
            event_time=events.time,
            scored_at=int(now * 1000),
        )


def of_version(version: str, rejected: Iterable[Rejected]) -> list[Rejected]:
    """Return rejected rows as those of a version."""
    return [replace(each, version=version) for each in rejected]


def once(rejected: Iterable[Rejected]) -> Iterable[Rejected]:
    """Return the first reason for each row: a row that was rejected before may have no score either."""
    first: dict[int, Rejected] = {}
    for each in rejected:
        first.setdefault(each.row, each)
    return first.values()


def scored_rows(rows: int, rejected: list[Rejected]) -> NDArray[np.int64]:
    """Return the rows that get a prediction: all but the rejected, int64, ascending."""
    every = np.arange(rows)
    return np.delete(every, [each.row for each in rejected]) if rejected else every
