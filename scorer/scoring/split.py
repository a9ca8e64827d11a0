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
from scorer.scoring.scorer import Arm, Explain, Prepared, Watch, of_version, scored_rows, unwatched

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


class SplitScorer:
    """Scores batches of events with several versions of a model. Like `Scorer`, it is pure.

    Args:
        members: the arms; the first one is the champion, to which rows belong that no arm can score.
        assign: chooses the arm of each row.
        union: looks up the entities of all plans, in the order of `union_of`.
        watch: times the stages `keys`, `look_up`, `assemble` and `score`.
    """

    def __init__(self, members: Sequence[Member], assign: Assign, union: Features, watch: Watch = unwatched) -> None:
        self._members, self._assign, self._union = members, assign, union
        self._keys, self._look_up, self._assemble, self._score = map(watch, ("keys", "look_up", "assemble", "score"))
        entities = union_of([member.plan for member in members])
        self._names = tuple(entity.name for entity in entities)
        self._columns = [[entities.index(shared(each)) for each in member.plan.entities] for member in members]
        self._users = np.array([[at in columns for columns in self._columns] for at in range(len(entities))], np.bool_)
        self._paths = [member.plan.fields | member.plan.texts for member in members]
        sources = [member.source for member in members]
        self._groups = [np.flatnonzero([each == source for each in sources]) for source in dict.fromkeys(sources)]

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

    def prepare(self, events: Events) -> Prepared:
        """Choose the arm of each row, and make the keys of a batch."""
        with self._keys:
            arms, good = self._assign(events), good_rows(events)
            arms[~good] = 0
            keyed = self._union.keys(events, [good & users[arms] for users in self._users])
            return Prepared(events, keyed, self._union.requests(keyed), arms)

    def look_up(self, prepared: Prepared, now: float) -> tuple[Found, ...]:
        """Look up the keys of a batch.

        Raises:
            Unavailable: features cannot be looked up now, and the policy is to wait.
        """
        with self._look_up:
            return self._union.look_up(prepared.keyed, prepared.events, now, prepared.requests)

    def finish(self, prepared: Prepared, found: tuple[Found, ...], now: float) -> Outcome:
        """Score a batch whose keys were looked up.

        Raises:
            Fatal: a model no longer scores any row.
        """
        events, arms, good = prepared.events, prepared.arms, good_rows(prepared.events)
        whole = _Whole.empty(events.rows, len(self._names), self._members[0].booster)
        rejected = of_version(self._members[0].arm.version, events.rejected)
        for group in self._groups:
            rows = np.flatnonzero(good & np.isin(arms, group)) if len(self._groups) > 1 else np.flatnonzero(good)
            if len(rows):
                rejected += self._score_group(group, rows, arms, _Batch(events, found), whole)
        matrix = Matrix(
            np.empty((events.rows, 0), np.float32),
            missing=whole.missing,
            degraded=bool(whole.lookups[:, Lookup.UNAVAILABLE].any()),
            lookups=whole.lookups,
        )
        return Outcome(self._predictions(events, arms, whole, rejected, now), rejected, matrix, found)

    def _score_group(
        self,
        group: NDArray[np.intp],
        rows: NDArray[np.int64],
        arms: NDArray[np.uint8],
        batch: "_Batch",
        whole: "_Whole",
    ) -> list[Rejected]:
        """Score the rows of the arms that share a plan, those of each arm in one call; return the rejected rows.

        Args:
            group: the numbers of the arms.
            rows: the rows that belong to them.
            arms: [rows of the batch], the arm of each.
            batch: what was decoded and looked up.
            whole: output, the results of the rows.
        """
        events, found, columns = batch.events, batch.found, self._columns[group[0]]
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
        self, events: Events, arms: NDArray[np.uint8], whole: "_Whole", rejected: list[Rejected], now: float
    ) -> Predictions:
        return Predictions(
            rows=scored_rows(events.rows, rejected),
            data=events.data,
            id_starts=events.id_starts,
            id_ends=events.id_ends,
            scores=whole.scores,
            model=self._members[0].arm.model,
            arms=tuple((member.arm.version, member.arm.name) for member in self._members),
            arm=arms,
            entities=self._names,
            missing=whole.missing,
            degraded=bool(whole.lookups[:, Lookup.UNAVAILABLE].any()),
            origin=events.origin,
            event_time=events.time,
            scored_at=int(now * 1000),
            explanations=_together(whole.explained, events.rows),
        )


class _Batch(NamedTuple):
    """What was decoded and looked up for a batch."""

    events: Events
    found: Sequence[Found]  # in the order of `union_of`


class _Whole(NamedTuple):
    """The results of all arms."""

    scores: NDArray[np.float32]  # [rows] or [rows, outputs]
    missing: NDArray[np.bool_]  # [rows, entities]
    lookups: NDArray[np.int64]  # [entities, Lookup]
    explained: list[tuple[NDArray[np.int64], Explanations]]  # of each arm that explained some: its rows

    @classmethod
    def empty(cls, rows: int, entities: int, booster: Booster) -> "_Whole":
        shape = (rows, *booster.score(np.empty((0, booster.columns), np.float32)).values.shape[1:])
        missing, lookups = np.zeros((rows, entities), np.bool_), np.zeros((entities, len(Lookup)), np.int64)
        return cls(np.full(shape, np.nan, np.float32), missing, lookups, [])


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
