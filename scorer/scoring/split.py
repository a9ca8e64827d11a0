"""Several versions of a model score one batch, each its own rows; features are looked up once for all of them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scorer.batch import (
    Events,
    Explanations,
    Found,
    Lookup,
    Matrix,
    Outcome,
    Predictions,
    Reason,
    Rejected,
    ScoreArray,
    Scores,
)
from scorer.errors import ScorerError
from scorer.scoring.explained import together
from scorer.scoring.features import Features, count, good_rows
from scorer.scoring.members import Blend, Group, Member, Voice, shared, union_of, voices_of
from scorer.scoring.scorer import BaseScorer, Prepared, Watch, of_version, scored_rows, unwatched

CHAMPION = 0  # the index of its arm

Assign = Callable[[Events], NDArray[np.uint8]]  # returns the index of each row's arm


class SplitScorer(BaseScorer):
    """Scores batches of events with several versions of a model.

    Args:
        arms: the first one is the champion, to which rows belong that no arm can score.
        assign: chooses the arm of each row; None if there is one arm.
        union: looks up the entities of all plans, in the order of `union_of`.
        watch: see `BaseScorer`.
        clock: seconds, for the time that each arm takes; by default none is measured.
    """

    def __init__(
        self,
        arms: Sequence[Member | Blend],
        assign: Assign | None,
        union: Features,
        watch: Watch = unwatched,
        clock: Callable[[], float] | None = None,
    ) -> None:
        super().__init__(union, watch)
        self._arms, self._assign, self._clock = arms, assign, clock
        voices = list(voices_of(arms))
        entities = union_of([voice.member.plan for voice in voices])
        self._names = tuple(entity.name for entity in entities)
        self._users = np.zeros((len(entities), len(arms)), np.bool_)
        for voice in voices:
            self._users[[entities.index(shared(each)) for each in voice.member.plan.entities], voice.number] = True
        sources = dict.fromkeys(voice.member.source for voice in voices)
        self._groups = [Group.of([each for each in voices if each.member.source == one], entities) for one in sources]
        boosters = [voice.member.booster for voice in voices]
        outputs = boosters[0].score(np.empty((0, boosters[0].columns), np.float32)).values.shape[1:]
        self._none = np.empty((0, *outputs), np.result_type(*(each.numbers for each in boosters)))

    def prepare(self, events: Events) -> Prepared:
        """Choose the arm of each row, and make the keys of a batch."""
        with self._keys:
            good = good_rows(events)
            arms = self._assign(events) if self._assign else np.zeros(events.rows, np.uint8)
            if events.rejected:
                arms[~good] = 0
            keyed = self._features.keys(events, self._wanted(arms, good))
            return Prepared(events, keyed, self._features.requests(keyed), arms)

    def finish(self, prepared: Prepared, found: tuple[Found, ...], now: float) -> Outcome:
        """See `BaseScorer.finish`."""
        events, arms, good = prepared.events, prepared.arms, good_rows(prepared.events)
        of_arms = [np.flatnonzero(good & (arms == number)) for number in range(len(self._arms))]
        with self._assemble:
            counts = count(found, self._wanted(arms, good), events.rows)
        whole = _Whole.empty(events.rows, of_arms, counts.lookups, self._none)
        every = np.flatnonzero(good)
        for group in self._groups:
            rows = every if len(group.arms) == len(self._arms) else _merged([of_arms[number] for number in group.arms])
            if len(rows):
                self._score_group(group, rows, events, found, whole)
        for number, arm in enumerate(self._arms):
            if isinstance(arm, Blend) and len(of_arms[number]):
                self._combine(number, arm, whole)
        values, foreign = whole.seen_by_champion(events.rows)
        matrix = Matrix(
            values,
            foreign=foreign,
            missing=counts.missing,
            degraded=bool(counts.lookups[:, Lookup.UNAVAILABLE].any()),
            lookups=counts.lookups,
        )
        rejected = [*of_version(self._arms[0].arm.version, events.rejected), *whole.rejected.values()]
        rows = scored_rows(events.rows, rejected)
        predictions = self._predictions(prepared, rows, matrix, whole, now)
        seconds = whole.seconds.tolist() if self._clock else ()
        return Outcome(predictions, rejected, matrix, found, len(events.rejected), seconds)

    def _wanted(self, arms: NDArray[np.uint8], good: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
        """Return the rows that need each entity: all that are good, if every arm uses it."""
        return [good if users.all() else good & users[arms] for users in self._users]

    def _score_group(
        self, group: Group, rows: NDArray[np.int64], events: Events, found: Sequence[Found], whole: "_Whole"
    ) -> None:
        """Score the rows of the arms that share a plan, those of each version in one call.

        Args:
            group: the versions with this plan.
            rows: the rows of these arms, ascending.
            events: the batch.
            found: the result of `look_up` for it.
            whole: output, the results of the rows.
        """
        began = self._now()
        try:
            part = self._assembled(group, rows, events, found, whole)
        except Exception as error:
            if CHAMPION in group.arms:
                raise
            self._reject(group.arms, error, whole)
            return
        if CHAMPION in group.arms:
            whole.seen.append(part)
        each_row = (self._now() - began) / len(rows)
        for number in group.arms:
            whole.seconds[number] += len(whole.of_arms[number]) * each_row
        for voice in group.voices:
            if len(whole.of_arms[voice.number]):
                with self._timed(voice.number, whole):
                    self._score_rows(voice, part, whole)

    def _assembled(
        self, group: Group, rows: NDArray[np.int64], events: Events, found: Sequence[Found], whole: "_Whole"
    ) -> "_Part":
        """Return the rows of versions that share a plan, with their matrix."""
        with self._assemble:
            if len(rows) == events.rows:
                mine, lines = events, [found[column] for column in group.columns]
            else:
                mine = events.take(rows, group.paths, named=group.explained)
                lines = [found[column].take(rows) for column in group.columns]
            assemble = group.voices[0].member.features.assemble
            return _Part(rows, mine, assemble(mine, lines, whole.lookups[group.columns]))

    def _score_rows(self, voice: Voice, part: "_Part", whole: "_Whole") -> None:
        """Score the rows of an arm with one version.

        If it raises, all rows of the arm are rejected, so that a broken canary does not end the replica. An
        error of the champion is raised, since nothing can be scored without it.

        Args:
            voice: the version.
            part: the rows of the versions with this plan.
            whole: output, the results of the rows.
        """
        try:
            self._score_part(voice, part, whole)
        except Exception as error:
            if voice.number == CHAMPION:
                raise
            self._reject([voice.number], error, whole)

    def _score_part(self, voice: Voice, part: "_Part", whole: "_Whole") -> None:
        arm, of_arm, rows = self._arms[voice.number], whole.of_arms[voice.number], part.rows
        chosen, values = _places(of_arm, rows), part.matrix.values
        scores = voice.member.booster.score(values if len(chosen) == len(rows) else values.take(chosen, axis=0))
        refused = [replace(each, row=int(rows[each.row])) for each in part.matrix.rejected]
        refused += [replace(each, row=int(of_arm[each.row])) for each in scores.rejected]
        if isinstance(arm, Blend):
            refused = [replace(each, detail=f"version {voice.member.arm.version}: {each.detail}") for each in refused]
            whole.parts[voice.number, voice.place] = scores.values
        else:
            whole.scores[of_arm] = scores.values
        if refused:
            mine = set(of_arm.tolist())
            for each in of_version(arm.arm.version, (each for each in refused if each.row in mine)):
                whole.rejected.setdefault(each.row, each)
        if explain := voice.member.explain:
            kept = chosen[~np.isin(of_arm, list(whole.rejected))] if whole.rejected else chosen
            if explained := explain(part.events, part.matrix, Scores(whole.scores[rows]), kept):
                whole.explained.append((rows, explained))

    def _combine(self, number: int, arm: Blend, whole: "_Whole") -> None:
        """Combine the scores of an ensemble, unless one of its versions could not score."""
        parts = [whole.parts[number, place] for place in range(len(arm.members)) if (number, place) in whole.parts]
        if len(parts) < len(arm.members):
            return
        with self._timed(number, whole):
            try:
                whole.scores[whole.of_arms[number]] = arm.combine(parts)
            except Exception as error:
                if number == CHAMPION:
                    raise
                self._reject([number], error, whole)

    def _reject(self, arms: Sequence[int], error: Exception, whole: "_Whole") -> None:
        """Reject all rows of arms whose version raised."""
        detail = f"the version cannot score: {error if isinstance(error, ScorerError) else repr(error)}"
        for number in arms:
            version = self._arms[number].arm.version
            for row in whole.of_arms[number].tolist():
                whole.rejected.setdefault(row, Rejected(row, Reason.MODEL_ERROR, detail, version))

    @contextmanager
    def _timed(self, number: int, whole: "_Whole") -> Iterator[None]:
        """Add the time of a block to that of an arm."""
        began = self._now()
        with self._score:
            yield
        whole.seconds[number] += self._now() - began

    def _now(self) -> float:
        return self._clock() if self._clock else 0.0

    def _predictions(
        self, prepared: Prepared, rows: NDArray[np.int64], matrix: Matrix, whole: "_Whole", now: float
    ) -> Predictions:
        events = prepared.events
        return Predictions(
            rows=rows,
            data=events.data,
            id_starts=events.id_starts,
            id_ends=events.id_ends,
            scores=whole.scores,
            model=self._arms[0].arm.model,
            arms=tuple((each.arm.version, each.arm.name) for each in self._arms),
            arm=prepared.arms,
            entities=self._names,
            missing=matrix.missing,
            degraded=matrix.degraded,
            origin=events.origin,
            event_time=events.time,
            scored_at=int(now * 1000),
            explanations=together(whole.explained, events.rows),
        )


class _Part(NamedTuple):
    """The rows of the versions that share a plan."""

    rows: NDArray[np.int64]  # of the batch
    events: Events
    matrix: Matrix


class _Whole(NamedTuple):
    """The results of all arms."""

    of_arms: list[NDArray[np.int64]]  # [arms]: the rows of each, ascending
    lookups: NDArray[np.int64]  # [entities, Lookup]: how many rows of the batch had each result
    scores: ScoreArray  # [rows] or [rows, outputs]
    parts: dict[tuple[int, int], ScoreArray]  # of an ensemble: by arm and place, the scores of the arm's rows
    rejected: dict[int, Rejected]  # by row; of an ensemble, as the first of its versions says
    explained: list[tuple[NDArray[np.int64], Explanations]]  # of each version that explained some: its rows
    seconds: NDArray[np.float64]  # [arms]
    seen: list[_Part]  # what the first version of the champion saw, with the rows of other arms that have its plan

    def seen_by_champion(self, rows: int) -> tuple[NDArray[np.float32], NDArray[np.bool_] | None]:
        """Return the champion's matrix [rows, columns], and the rows of arms with other plans, if there are any."""
        if not self.seen:
            return np.empty((rows, 0), np.float32), np.ones(rows, np.bool_)
        part = self.seen[0]
        if len(part.rows) == rows:
            return part.matrix.values, None
        values, foreign = np.full((rows, part.matrix.values.shape[1]), np.nan, np.float32), np.ones(rows, np.bool_)
        values[part.rows], foreign[part.rows] = part.matrix.values, False
        return values, foreign

    @classmethod
    def empty(
        cls, rows: int, of_arms: list[NDArray[np.int64]], lookups: NDArray[np.int64], none: ScoreArray
    ) -> "_Whole":
        scores = np.full((rows, *none.shape[1:]), np.nan, none.dtype)
        return cls(of_arms, lookups, scores, {}, {}, [], np.zeros(len(of_arms)), [])


def _places(some: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the index of each of some rows in `rows`; both are ascending."""
    if len(some) == len(rows):
        return np.arange(len(rows))
    return some if len(rows) == rows[-1] + 1 else np.searchsorted(rows, some)


def _merged(parts: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Return rows that are ascending in each part as one ascending array."""
    return parts[0] if len(parts) == 1 else np.sort(np.concatenate(parts), kind="stable")
