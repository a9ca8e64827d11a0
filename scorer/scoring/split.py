"""Several versions of a model score one batch, each its own rows; features are looked up once for all of them."""

from collections.abc import Callable, Iterator, Sequence
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
from scorer.plan import Entity, FromEvent, Plan
from scorer.scoring.combining import Combining
from scorer.scoring.features import Features, count, good_rows
from scorer.scoring.scorer import Arm, BaseScorer, Explain, Prepared, Watch, of_version, scored_rows, unwatched

Assign = Callable[[Events], NDArray[np.uint8]]  # returns the index of each row's arm


class Member(NamedTuple):
    """A version with what scores for it; as an arm of its own, or in an ensemble.

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


class Blend(NamedTuple):
    """An ensemble as an arm.

    arm:     its name and its role.
    members: the versions.
    combine: makes one score of theirs, given in this order.
    """

    arm: Arm
    members: tuple[Member, ...]
    combine: Combining


class _Voice(NamedTuple):
    """A version that scores the rows of an arm."""

    number: int  # of the arm
    place: int  # among the versions of the arm
    member: Member


class _Group(NamedTuple):
    """The versions that share a plan, so that one matrix serves all of them."""

    voices: list[_Voice]
    arms: list[int]  # the numbers of theirs, ascending
    columns: list[int]  # the plan's entities, among those of all plans
    paths: frozenset[str]  # the fields of events that are columns of the matrix
    explained: bool  # whether predictions of any are explained

    @classmethod
    def of(cls, voices: list[_Voice], entities: Sequence[Entity]) -> "_Group":
        plan = voices[0].member.plan
        columns = [entities.index(shared(each)) for each in plan.entities]
        paths = frozenset(each.source.path for each in plan.columns if isinstance(each.source, FromEvent))
        explained = any(each.member.explain for each in voices)
        return cls(voices, sorted({each.number for each in voices}), columns, paths, explained)


class SplitScorer(BaseScorer):
    """Scores batches of events with several versions of a model.

    Args:
        arms: the first one is the champion, to which rows belong that no arm can score.
        assign: chooses the arm of each row; None if there is one arm.
        union: looks up the entities of all plans, in the order of `union_of`.
        watch: see `BaseScorer`.
    """

    def __init__(
        self, arms: Sequence[Member | Blend], assign: Assign | None, union: Features, watch: Watch = unwatched
    ) -> None:
        super().__init__(union, watch)
        self._arms, self._assign = arms, assign
        voices = [_Voice(*each) for each in _members(arms)]
        entities = union_of([voice.member.plan for voice in voices])
        self._names = tuple(entity.name for entity in entities)
        self._users = np.zeros((len(entities), len(arms)), np.bool_)
        for voice in voices:
            self._users[[entities.index(shared(each)) for each in voice.member.plan.entities], voice.number] = True
        sources = dict.fromkeys(voice.member.source for voice in voices)
        self._groups = [_Group.of([each for each in voices if each.member.source == one], entities) for one in sources]
        booster = voices[0].member.booster
        self._outputs = booster.score(np.empty((0, booster.columns), np.float32)).values.shape[1:]

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
        whole = _Whole.empty(events.rows, of_arms, counts.lookups, self._outputs)
        every = np.flatnonzero(good)
        for group in self._groups:
            rows = every if len(group.arms) == len(self._arms) else _merged([of_arms[number] for number in group.arms])
            if len(rows):
                self._score_group(group, rows, events, found, whole)
        with self._score:
            for number, arm in enumerate(self._arms):
                if isinstance(arm, Blend) and len(of_arms[number]):
                    parts = [whole.parts[number, place] for place in range(len(arm.members))]
                    whole.scores[of_arms[number]] = arm.combine(parts)
        matrix = Matrix(
            np.empty((events.rows, 0), np.float32),
            missing=counts.missing,
            degraded=bool(counts.lookups[:, Lookup.UNAVAILABLE].any()),
            lookups=counts.lookups,
        )
        rejected = [*of_version(self._arms[0].arm.version, events.rejected), *whole.rejected.values()]
        rows = scored_rows(events.rows, rejected)
        return Outcome(self._predictions(prepared, rows, matrix, whole, now), rejected, matrix, found)

    def _wanted(self, arms: NDArray[np.uint8], good: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
        """Return the rows that need each entity: all that are good, if every arm uses it."""
        return [good if users.all() else good & users[arms] for users in self._users]

    def _score_group(
        self, group: _Group, rows: NDArray[np.int64], events: Events, found: Sequence[Found], whole: "_Whole"
    ) -> None:
        """Score the rows of the arms that share a plan, those of each version in one call.

        Args:
            group: the versions with this plan.
            rows: the rows of these arms, ascending.
            events: the batch.
            found: the result of `look_up` for it.
            whole: output, the results of the rows.
        """
        with self._assemble:
            if len(rows) == events.rows:
                mine, lines = events, [found[column] for column in group.columns]
            else:
                mine = events.take(rows, group.paths, named=group.explained)
                lines = [found[column].take(rows) for column in group.columns]
            matrix = group.voices[0].member.features.assemble(mine, lines, whole.lookups[group.columns])
        with self._score:
            for voice in group.voices:
                if len(whole.of_arms[voice.number]):
                    self._score_rows(voice, rows, mine, matrix, whole)

    def _score_rows(
        self, voice: _Voice, rows: NDArray[np.int64], events: Events, matrix: Matrix, whole: "_Whole"
    ) -> None:
        """Score the rows of an arm with one version.

        Args:
            voice: the version.
            rows: the rows of the matrix.
            events: these rows.
            matrix: the input of the versions with this plan.
            whole: output, the results of the rows.
        """
        arm, of_arm = self._arms[voice.number], whole.of_arms[voice.number]
        chosen = _places(of_arm, rows)
        values = matrix.values if len(chosen) == len(rows) else matrix.values.take(chosen, axis=0)
        scores = voice.member.booster.score(values)
        refused = [replace(each, row=int(rows[each.row])) for each in matrix.rejected]
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
            if explained := explain(events, matrix, Scores(whole.scores[rows]), kept):
                whole.explained.append((rows, explained))

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
            explanations=_together(whole.explained, events.rows),
        )


class _Whole(NamedTuple):
    """The results of all arms."""

    of_arms: list[NDArray[np.int64]]  # [arms]: the rows of each, ascending
    lookups: NDArray[np.int64]  # [entities, Lookup]: how many rows of the batch had each result
    scores: NDArray[np.float32]  # [rows] or [rows, outputs]
    parts: dict[tuple[int, int], NDArray[np.float32]]  # of an ensemble: by arm and place, the scores of the arm's rows
    rejected: dict[int, Rejected]  # by row; of an ensemble, as the first of its versions says
    explained: list[tuple[NDArray[np.int64], Explanations]]  # of each version that explained some: its rows

    @classmethod
    def empty(
        cls, rows: int, of_arms: list[NDArray[np.int64]], lookups: NDArray[np.int64], outputs: tuple[int, ...]
    ) -> "_Whole":
        return cls(of_arms, lookups, np.full((rows, *outputs), np.nan, np.float32), {}, {}, [])


def _members(arms: Sequence[Member | Blend]) -> Iterator[tuple[int, int, Member]]:
    """Yield every version with the number of its arm, and its place there."""
    for number, arm in enumerate(arms):
        for place, member in enumerate(arm.members if isinstance(arm, Blend) else (arm,)):
            yield number, place, member


def _places(some: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the index of each of some rows in `rows`; both are ascending."""
    if len(some) == len(rows):
        return np.arange(len(rows))
    return some if len(rows) == rows[-1] + 1 else np.searchsorted(rows, some)


def _merged(parts: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Return rows that are ascending in each part as one ascending array."""
    return parts[0] if len(parts) == 1 else np.sort(np.concatenate(parts), kind="stable")


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
