"""Several versions of a model score one batch, each its own rows; features are looked up once for all of them."""

from collections.abc import Callable, Sequence
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
    Scores,
)
from scorer.errors import ScorerError
from scorer.model import Booster
from scorer.plan import Entity, Plan
from scorer.scoring.explained import together
from scorer.scoring.features import Features, good_rows
from scorer.scoring.scorer import Arm, BaseScorer, Explain, Prepared, Watch, of_version, scored_rows, unwatched

CHAMPION = 0  # the index of its arm

Assign = Callable[[Events], NDArray[np.uint8]]  # returns the index of each row's arm


class Member(NamedTuple):
    """An arm with what scores for it.

    arm:      the version and its role.
    plan:     the plan of the version.
    features: assembles its matrix; it looks nothing up.
    booster:  the model.
    source:   the text of the plan: versions with the same have one matrix.
    explain:  explains predictions; None if none is explained.
    """

    arm: Arm
    plan: Plan
    features: Features
    booster: Booster
    source: bytes
    explain: Explain | None = None


class SplitScorer(BaseScorer):
    """Scores batches of events with several versions of a model.

    Args:
        members: the arms; the first one is the champion, to which rows belong that no arm can score.
        assign: chooses the arm of each row.
        union: looks up the entities of all plans, in the order of `union_of`.
        watch: see `BaseScorer`.
        clock: seconds, for the time that each arm takes; by default none is measured.
    """

    def __init__(
        self,
        members: Sequence[Member],
        assign: Assign,
        union: Features,
        watch: Watch = unwatched,
        clock: Callable[[], float] | None = None,
    ) -> None:
        super().__init__(union, watch)
        self._members, self._assign, self._clock = members, assign, clock
        entities = union_of([member.plan for member in members])
        self._names = tuple(entity.name for entity in entities)
        self._columns = [[entities.index(shared(each)) for each in member.plan.entities] for member in members]
        self._users = np.array([[at in columns for columns in self._columns] for at in range(len(entities))], np.bool_)
        self._paths = [member.plan.fields | member.plan.texts for member in members]
        sources = [member.source for member in members]
        self._groups = [np.flatnonzero([each == source for each in sources]) for source in dict.fromkeys(sources)]
        booster = members[0].booster
        self._outputs = booster.score(np.empty((0, booster.columns), np.float32)).values.shape[1:]

    def prepare(self, events: Events) -> Prepared:
        """Choose the arm of each row, and make the keys of a batch."""
        with self._keys:
            arms, good = self._assign(events), good_rows(events)
            arms[~good] = 0
            keyed = self._features.keys(events, [good & users[arms] for users in self._users])
            return Prepared(events, keyed, self._features.requests(keyed), arms)

    def finish(self, prepared: Prepared, found: tuple[Found, ...], now: float) -> Outcome:
        """See `BaseScorer.finish`."""
        events, arms, good = prepared.events, prepared.arms, good_rows(prepared.events)
        whole = _Whole.empty(events.rows, len(self._names), self._outputs, len(self._members))
        rejected = of_version(self._members[0].arm.version, events.rejected)
        for group in self._groups:
            rows = np.flatnonzero(good & np.isin(arms, group)) if len(self._groups) > 1 else np.flatnonzero(good)
            if len(rows):
                rejected += self._score_group(group, rows, prepared, found, whole)
        matrix = Matrix(
            np.empty((events.rows, 0), np.float32),
            missing=whole.missing,
            degraded=bool(whole.lookups[:, Lookup.UNAVAILABLE].any()),
            lookups=whole.lookups,
        )
        rows = scored_rows(events.rows, rejected)
        predictions = self._predictions(prepared, rows, matrix, whole, now)
        seconds = whole.seconds.tolist() if self._clock else ()
        return Outcome(predictions, rejected, matrix, found, len(events.rejected), seconds)

    def _score_group(
        self,
        group: NDArray[np.intp],
        rows: NDArray[np.int64],
        prepared: Prepared,
        found: Sequence[Found],
        whole: "_Whole",
    ) -> list[Rejected]:
        """Score the rows of the arms that share a plan, those of each arm in one call; return the rejected rows.

        Args:
            group: the numbers of the arms.
            rows: the rows that belong to them.
            prepared: the batch.
            found: the result of `look_up` for it.
            whole: output, the results of the rows.
        """
        arms, columns, began = prepared.arms[rows], self._columns[group[0]], self._now()
        try:
            part = self._assembled(group, rows, prepared, found)
        except Exception as error:
            if CHAMPION in group:
                raise
            return [self._raised(error, int(row), int(arm)) for row, arm in zip(rows, arms, strict=True)]
        whole.missing[rows[:, np.newaxis], columns] = part.matrix.missing
        whole.lookups[columns] += part.matrix.lookups
        each_row = (self._now() - began) / len(rows)
        refused = [
            replace(each, row=int(rows[each.row]), version=self._members[arms[each.row]].arm.version)
            for each in part.matrix.rejected
        ]
        with self._score:
            for number in group.tolist():
                chosen = np.flatnonzero(arms == number)
                if len(chosen):
                    began = self._now()
                    refused += self._score_arm(number, chosen, part, {each.row for each in refused}, whole)
                    whole.seconds[number] += len(chosen) * each_row + self._now() - began
        return refused

    def _assembled(
        self, group: NDArray[np.intp], rows: NDArray[np.int64], prepared: Prepared, found: Sequence[Found]
    ) -> "_Part":
        """Return the rows of arms that share a plan, with their matrix."""
        events, columns = prepared.events, self._columns[group[0]]
        with self._assemble:
            if len(rows) == events.rows:
                mine, lines = events, [found[column] for column in columns]
            else:
                mine = events.take(rows, self._paths[group[0]])
                lines = [found[column].take(rows) for column in columns]
            return _Part(rows, mine, self._members[group[0]].features.assemble(mine, lines))

    def _score_arm(
        self, number: int, chosen: NDArray[np.intp], part: "_Part", refused: set[int], whole: "_Whole"
    ) -> list[Rejected]:
        """Score the rows of one arm in one call, and return those that it rejects.

        An arm that raises rejects all its rows, so that a broken canary does not end the replica; but for the champion,
        without which nothing can be scored.

        Args:
            number: the arm.
            chosen: its rows of the part.
            part: the rows of all arms of its plan.
            refused: rows of the batch that are rejected already.
            whole: output, the results of the rows.
        """
        member, rows = self._members[number], part.rows
        mine = rows[chosen]
        try:
            scores = member.booster.score(part.matrix.values[chosen])
            whole.scores[mine] = scores.values
            rejected = [replace(each, row=int(mine[each.row]), version=member.arm.version) for each in scores.rejected]
            if member.explain:
                kept = chosen[~np.isin(mine, [*refused, *(each.row for each in rejected)])]
                if explained := member.explain(part.events, part.matrix, Scores(whole.scores[rows]), kept):
                    whole.explained.append((rows, explained))
        except Exception as error:
            if number == CHAMPION:
                raise
            return [self._raised(error, row, number) for row in mine.tolist() if row not in refused]
        return rejected

    def _raised(self, error: Exception, row: int, number: int) -> Rejected:
        detail = f"the version cannot score: {error if isinstance(error, ScorerError) else repr(error)}"
        return Rejected(row, Reason.MODEL_ERROR, detail, self._members[number].arm.version)

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
            model=self._members[0].arm.model,
            arms=tuple((member.arm.version, member.arm.name) for member in self._members),
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
    """The rows of the arms that share a plan."""

    rows: NDArray[np.int64]  # of the batch
    events: Events
    matrix: Matrix


class _Whole(NamedTuple):
    """The results of all arms."""

    scores: NDArray[np.float32]  # [rows] or [rows, outputs]
    missing: NDArray[np.bool_]  # [rows, entities]
    lookups: NDArray[np.int64]  # [entities, Lookup]
    explained: list[tuple[NDArray[np.int64], Explanations]]  # of each arm that explained some: its rows
    seconds: NDArray[np.float64]  # [arms]

    @classmethod
    def empty(cls, rows: int, entities: int, outputs: tuple[int, ...], arms: int) -> "_Whole":
        missing, lookups = np.zeros((rows, entities), np.bool_), np.zeros((entities, len(Lookup)), np.int64)
        return cls(np.full((rows, *outputs), np.nan, np.float32), missing, lookups, [], np.zeros(arms))


def shared(entity: Entity) -> Entity:
    """Return what is looked up for an entity, without the policy for a missing one, which is the arm's own."""
    return replace(entity, when_missing=None)


def union_of(plans: Sequence[Plan]) -> tuple[Entity, ...]:
    """Return the entities of several plans; those that are looked up alike are one."""
    return tuple(dict.fromkeys(shared(entity) for plan in plans for entity in plan.entities))
