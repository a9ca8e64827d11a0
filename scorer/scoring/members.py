"""The versions that score a batch: as arms of their own or in ensembles, and in groups that share a plan."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from scorer.model import Booster
from scorer.plan import Entity, FromEvent, Plan
from scorer.scoring.combining import Combining
from scorer.scoring.features import Features
from scorer.scoring.scorer import Arm, Explain


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


class Voice(NamedTuple):
    """A version that scores the rows of an arm."""

    number: int  # of the arm
    place: int  # among the versions of the arm
    member: Member


class Group(NamedTuple):
    """The versions that share a plan, so that one matrix serves all of them."""

    voices: list[Voice]
    arms: list[int]  # the numbers of theirs, ascending
    columns: list[int]  # the plan's entities, among those of all plans
    paths: frozenset[str]  # the fields of events that are columns of the matrix
    explained: bool  # whether predictions of any are explained

    @classmethod
    def of(cls, voices: list[Voice], entities: Sequence[Entity]) -> "Group":
        """Return the group of some versions with one plan, given the entities of all plans."""
        plan = voices[0].member.plan
        columns = [entities.index(shared(each)) for each in plan.entities]
        paths = frozenset(each.source.path for each in plan.columns if isinstance(each.source, FromEvent))
        explained = any(each.member.explain for each in voices)
        return cls(voices, sorted({each.number for each in voices}), columns, paths, explained)


def voices_of(arms: Sequence[Member | Blend]) -> Iterator[Voice]:
    """Yield every version of every arm."""
    for number, arm in enumerate(arms):
        for place, member in enumerate(arm.members if isinstance(arm, Blend) else (arm,)):
            yield Voice(number, place, member)


def shared(entity: Entity) -> Entity:
    """Return an entity without its policy for a missing one, which each arm applies by itself."""
    return replace(entity, when_missing=None)


def union_of(plans: Sequence[Plan]) -> tuple[Entity, ...]:
    """Return the entities of several plans; those that are looked up alike are one."""
    return tuple(dict.fromkeys(shared(entity) for plan in plans for entity in plan.entities))
