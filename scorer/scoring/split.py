"""Several versions of a model score one batch, each its own rows; features are looked up once for all of them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scorer.batch import (
    NO_COLUMN,
    NO_SLOT,
    Events,
    Explanations,
    Found,
    Lookup,
    Matrix,
    Outcome,
    Predictions,
    Rejected,
    Scores,
)
from scorer.model import Booster
from scorer.plan import Entity, Plan
from scorer.scoring.features import Features, good_rows
from scorer.scoring.scorer import Arm, BaseScorer, Explain, Prepared, Watch, of_version, scored_rows, unwatched

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
    """

    def __init__(self, members: Sequence[Member], assign: Assign, union: Features, watch: Watch = unwatched) -> None:
        super().__init__(union, watch)
        self._members, self._assign = members, assign
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
        whole = _Whole.empty(events.rows, len(self._names), self._outputs)
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
        return Outcome(self._predictions(prepared, rows, matrix, whole, now), rejected, matrix, found)

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
        events, arms, columns = prepared.events, prepared.arms, self._columns[group[0]]
        with self._assemble:
            if len(rows) == events.rows:
                mine, lines = events, [found[column] for column in columns]
            else:
                mine = events.take(rows, self._paths[group[0]])
                lines = [found[column].take(rows) for column in columns]
            matrix = self._members[group[0]].features.assemble(mine, lines)
        whole.missing[rows[:, np.newaxis], columns] = matrix.missing
        whole.lookups[columns] += matrix.lookups
        refused = [replace(each, row=int(rows[each.row])) for each in matrix.rejected]
        with self._score:
            for number in group.tolist():
                chosen = np.flatnonzero(arms[rows] == number)
                if len(chosen):
                    scores = self._members[number].booster.score(matrix.values[chosen])
                    whole.scores[rows[chosen]] = scores.values
                    refused += [replace(each, row=int(rows[chosen[each.row]])) for each in scores.rejected]
                    if explain := self._members[number].explain:
                        kept = chosen[~np.isin(rows[chosen], [each.row for each in refused])]
                        if explained := explain(mine, matrix, Scores(whole.scores[rows]), kept):
                            whole.explained.append((rows, explained))
        return [replace(each, version=self._members[arms[each.row]].arm.version) for each in refused]

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
            explanations=_together(whole.explained, events.rows),
        )


class _Whole(NamedTuple):
    """The results of all arms."""

    scores: NDArray[np.float32]  # [rows] or [rows, outputs]
    missing: NDArray[np.bool_]  # [rows, entities]
    lookups: NDArray[np.int64]  # [entities, Lookup]
    explained: list[tuple[NDArray[np.int64], Explanations]]  # of each arm that explained some: its rows

    @classmethod
    def empty(cls, rows: int, entities: int, outputs: tuple[int, ...]) -> "_Whole":
        missing, lookups = np.zeros((rows, entities), np.bool_), np.zeros((entities, len(Lookup)), np.int64)
        return cls(np.full((rows, *outputs), np.nan, np.float32), missing, lookups, [])


def _together(parts: Sequence[tuple[NDArray[np.int64], Explanations]], rows: int) -> Explanations | None:
    """Return the explanations of all arms as one; each model has columns of its own.

    Args:
        parts: int64 [rows of the arm] and its explanations, with one slot for each of these rows.
        rows: how many the batch has.
    """
    if not parts:
        return None
    lines, top = sum(len(part.columns) for _, part in parts), max(part.columns.shape[1] for _, part in parts)
    whole = Explanations(
        names=tuple(name for _, part in parts for name in part.names),
        slots=np.full(rows, NO_SLOT, np.int32),
        columns=np.full((lines, top), NO_COLUMN, np.int32),
        values=np.full((lines, top), np.nan),
        contributions=np.zeros((lines, top)),
    )
    line = name = 0
    for at, part in parts:
        end, width = line + len(part.columns), part.columns.shape[1]
        has = part.slots != NO_SLOT
        whole.slots[at[has]] = part.slots[has] + line
        whole.columns[line:end, :width] = np.where(part.columns == NO_COLUMN, NO_COLUMN, part.columns + name)
        whole.values[line:end, :width] = part.values
        whole.contributions[line:end, :width] = part.contributions
        line, name = end, name + len(part.names)
    return whole


def shared(entity: Entity) -> Entity:
    """Return what is looked up for an entity, without the policy for a missing one, which is the arm's own."""
    return replace(entity, when_missing=None)


def union_of(plans: Sequence[Plan]) -> tuple[Entity, ...]:
    """Return the entities of several plans; those that are looked up alike are one."""
    return tuple(dict.fromkeys(shared(entity) for plan in plans for entity in plan.entities))
