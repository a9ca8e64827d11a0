"""The versions of a roll-out state that score users' events, as one decoder, one look-up and one scorer."""

import time
from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from scorer.arrays.spans import Spans
from scorer.avro import Decoder, Framing
from scorer.batch import Events
from scorer.errors import Misconfigured, Problem
from scorer.plan import Entity, Plan
from scorer.rollout import Arms, State, keys_of
from scorer.scoring import BaseScorer, SplitScorer, Watch, union_of, unwatched
from scorer.serving.ensemble import Candidate, fields_of
from scorer.serving.serving import ARM
from scorer.store import Fetch, Lookups

CANARY = "canary"


class Lineup:
    """The champion and its canaries, ready to score.

    Args:
        state: says which version has which share.
        candidates: the version or ensemble of the champion, then of each canary in the order of the state.

    Raises:
        Misconfigured: a canary has another number of scores than the champion, which consumers would not expect.
    """

    def __init__(self, state: State, candidates: Sequence[Candidate]) -> None:
        self.champion, *self.canaries = candidates
        self.state, self._arms = state, Arms(state.canaries)
        self._servings = [serving for each in candidates for serving in each.servings]
        outputs = self.champion.outputs
        problems = [
            Problem(
                f"version {canary.version}",
                f"gives {canary.outputs} scores for an event, and the champion gives {outputs}",
                "expected the same number: consumers read one kind of prediction",
            )
            for canary in self.canaries
            if canary.outputs != outputs
        ]
        if problems:
            raise Misconfigured(problems)

    @property
    def entities(self) -> tuple[Entity, ...]:
        """The entities that are looked up for a batch; arrays by entity have this order."""
        return union_of([each.plan for each in self._servings]) if self.canaries else self.champion.looked_up

    @property
    def needs(self) -> tuple[Collection[str], Collection[str]]:
        """The fields whose values the plans need, and those whose text they need."""
        return fields_of(self._servings)

    @property
    def roles(self) -> list[tuple[str, Candidate]]:
        """The name of each arm, and its version or ensemble."""
        return [(ARM, self.champion), *((CANARY, each) for each in self.canaries)]

    def decoder(self, framing: Framing) -> Decoder:
        """Return a decoder of all fields that the plans, the event's id and its time need."""
        return self._servings[0].decoder(framing, *self.needs)

    def lookups(self) -> Lookups | None:
        """Return the look-ups of `entities`, which the caller closes; None if there are none."""
        return self._servings[0].lookups(cached=True, entities=self.entities)

    def scorer(self, fetch: Fetch | None, watch: Watch = unwatched) -> BaseScorer:
        """Return a scorer of decoded events.

        Args:
            fetch: looks up `entities`; None if there are none.
            watch: times the stages.
        """
        if not self.canaries:
            return self.champion.scorer(fetch, watch)
        members = [each.member(name) for name, each in self.roles]
        union = self._servings[0].features(fetch, Plan("rollout", self.entities, ()))
        return SplitScorer(members, self._assign, union, watch, time.perf_counter)

    def _assign(self, events: Events) -> NDArray[np.uint8]:
        keys, null = keys_of(events.keys, events.rows)
        return self._arms.of(keys, null, Spans(events.data, events.id_starts, events.id_ends))
