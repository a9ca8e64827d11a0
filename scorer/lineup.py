"""The versions of a roll-out state that score users' events, as one decoder, one look-up and one scorer."""

import time
from collections.abc import Sequence
from typing import cast

import numpy as np
from numpy.typing import NDArray

from scorer.arrays.spans import Spans, Texts
from scorer.avro import Decoder, Framing
from scorer.batch import Events
from scorer.errors import Misconfigured, Problem
from scorer.plan import Entity, Plan
from scorer.rollout import Arms, State
from scorer.scoring import Arm, BaseScorer, Member, SplitScorer, Watch, union_of, unwatched
from scorer.serving import ARM, Serving
from scorer.store import Fetch, Reply, Request

CANARY = "canary"


class Lineup:
    """The champion and its canaries, ready to score.

    Args:
        state: says which version has which share.
        servings: the champion, then the canaries in the order of the state.

    Raises:
        Misconfigured: a canary has another number of scores than the champion, which consumers would not expect.
    """

    def __init__(self, state: State, servings: Sequence[Serving]) -> None:
        self.champion, *self.canaries = servings
        self.state, self._arms = state, Arms(state.canaries)
        self._plans: list[Plan] = [serving.plan for serving in servings]
        outputs = self.champion.booster.classes
        problems = [
            Problem(
                f"version {canary.bundle.version}",
                f"gives {canary.booster.classes} scores for an event, and the champion gives {outputs}",
                "expected the same number: consumers read one kind of prediction",
            )
            for canary in self.canaries
            if canary.booster.classes != outputs
        ]
        if problems:
            raise Misconfigured(problems)

    @property
    def entities(self) -> tuple[Entity, ...]:
        """What is looked up for a batch, in the order of every array by entity."""
        return union_of(self._plans) if self.canaries else self.champion.plan.entities

    @property
    def needs(self) -> tuple[frozenset[str], frozenset[str]]:
        """The fields whose values the plans need, and those whose text they need."""
        fields = frozenset[str]().union(*(plan.fields for plan in self._plans))
        return fields, frozenset[str]().union(*(plan.texts for plan in self._plans))

    @property
    def roles(self) -> list[tuple[str, Serving]]:
        """The name of each arm, and what serves it."""
        return [(ARM, self.champion), *((CANARY, serving) for serving in self.canaries)]

    def decoder(self, framing: Framing) -> Decoder:
        """Return a decoder of all fields that the plans, the event's id and its time need."""
        fields, texts = self.needs
        return self.champion.decoder(framing, fields, texts)

    def scorer(self, fetch: Fetch | None, watch: Watch = unwatched) -> BaseScorer:
        """Return what scores decoded events.

        Args:
            fetch: looks up `entities`; None if there are none.
            watch: times the stages.
        """
        if not self.canaries:
            return self.champion.scorer(fetch, watch)
        members = [
            Member(
                Arm(serving.bundle.name, serving.bundle.version, name, serving.entities),
                serving.plan,
                serving.features(_looks_nothing_up),
                serving.booster,
                serving.bundle.plan_file.read_bytes(),
                serving.explain(),
            )
            for name, serving in self.roles
        ]
        union = Plan("rollout", self.entities, ())
        return SplitScorer(members, self._assign, self.champion.features(fetch, union), watch, time.perf_counter)

    def _assign(self, events: Events) -> NDArray[np.uint8]:
        keys, null = events.keys or [None] * events.rows, np.zeros(events.rows, np.bool_)
        if None in keys:
            null = np.array([key is None for key in keys], np.bool_)
            keys = [key or b"" for key in keys]
        ids = Spans(events.data, events.id_starts, events.id_ends)
        return self._arms.of(Texts.of(cast("Sequence[bytes]", keys)), null, ids)


def _looks_nothing_up(requests: Sequence[Request], now: float) -> list[Reply]:  # noqa: ARG001  as `Fetch` has it
    raise AssertionError("features are looked up once for all arms")
