"""Ensembles: several versions that are served as one. A name in the roll-out state is a version or an ensemble."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from math import isfinite

import structlog

from scorer.avro import Decoder, Framing, Schema, Wanted
from scorer.errors import Misconfigured, Problem
from scorer.model import read_golden, repository_at, state_in_file
from scorer.plan import Plan
from scorer.rollout import Ensemble, State
from scorer.scoring import Arm, Blend, SplitScorer, Watch, union_of, unwatched
from scorer.scoring.combining import LEAST_SCORES, Combining, Mean, RankMean
from scorer.serving.serving import ARM, Serving, prepare
from scorer.settings import Settings
from scorer.store import Fetch, Lookups

log = structlog.get_logger()


class EnsembleServing:
    """Several versions of a model, ready to score as one.

    Args:
        name: the ensemble's name.
        ensemble: says how the scores are combined.
        servings: its versions, in its order.

    Raises:
        Misconfigured: the scores of these versions cannot be combined, with every reason.
    """

    def __init__(self, name: str, ensemble: Ensemble, servings: Sequence[Serving]) -> None:
        self.version, self.ensemble, self.servings, first = name, ensemble, tuple(servings), servings[0]
        self.columns: tuple[str, ...] = ()  # it has no columns of its own, so it scores only events
        self.settings, self.schema, self.outputs = first.settings, first.schema, first.outputs
        if problems := [*_unlike(name, servings), *_unranked(name, ensemble, servings)]:
            raise Misconfigured(problems)
        self._combine = _combining(ensemble, servings)
        self.looked_up = union_of([serving.plan for serving in servings])
        if self.settings.predictions.explain:
            log.warning("predictions of an ensemble are not explained", ensemble=name)

    @property
    def model(self) -> str:
        """The model's name."""
        return self.servings[0].model

    @property
    def compiled(self) -> bool:
        """Whether the trees of all versions are compiled."""
        return all(serving.compiled for serving in self.servings)

    def decoder(self, framing: Framing | None = None) -> Decoder:
        """Return a decoder of all fields that the plans, the event's id and its time need."""
        return self.servings[0].decoder(framing, *fields_of(self.servings))

    def wanted(self) -> Wanted:
        """Return the fields that the plans, the event's id and its time need, as the lines of a table."""
        return self.servings[0].wanted(*fields_of(self.servings))

    def lookups(self, *, cached: bool) -> Lookups | None:
        """Return the look-ups of all plans; see `Serving.lookups`."""
        return self.servings[0].lookups(cached=cached, entities=self.looked_up)

    def scorer(self, fetch: Fetch | None, watch: Watch = unwatched, name: str = ARM) -> SplitScorer:
        """Return a scorer of decoded events; see `Serving.scorer`."""
        union = self.servings[0].features(fetch, Plan("rollout", self.looked_up, ()))
        return SplitScorer([self.member(name)], None, union, watch)

    def member(self, name: str) -> Blend:
        """Return the ensemble as one of several arms.

        Args:
            name: the name of the arm in predictions.
        """
        arm = Arm(self.model, self.version, name, tuple(entity.name for entity in self.looked_up))
        # A mean of scores has no margin that contributions could add up to.
        members = [serving.member(name, explained=False) for serving in self.servings]
        return Blend(arm, tuple(members), self._combine)


Candidate = Serving | EnsembleServing


def candidate(state: State, name: str, load: Callable[[str], Serving]) -> Candidate:
    """Return the version or the ensemble that a name in the roll-out state means, ready to score.

    Args:
        state: the state.
        name: the name of a version or an ensemble; if there are both, it means the ensemble.
        load: loads a version.

    Raises:
        ScorerError: a version cannot be loaded, or the scores of an ensemble's versions cannot be combined.
    """
    ensemble = state.ensembles.get(name)
    if ensemble is None:
        return load(name)
    return EnsembleServing(name, ensemble, [load(version) for version in ensemble.versions])


def prepare_champion(settings: Settings, schema: Schema | None = None) -> Candidate:
    """Load the version or ensemble that scores without Kafka: a state file's champion, or else the configured version.

    Args:
        settings: name the schema and the folder of models.
        schema: the schema of the events; by default the configured one.

    Raises:
        Misconfigured: with every problem of every part.
        RegistryUnavailable: the schema is in the registry, which does not answer.
    """
    state = state_in_file(settings)
    if state is None or state.champion not in state.ensembles:
        return prepare(settings, schema=schema)
    return candidate(state, state.champion, loader(settings, schema))


def loader(settings: Settings, schema: Schema | None = None) -> Callable[[str], Serving]:
    """Return a function that loads versions by name. All share the given schema, or the one that the first opens."""
    loaded: list[Serving] = []

    def load(version: str) -> Serving:
        bundle = repository_at(settings.model.path).find(version)
        first = loaded[0] if loaded else None
        serving = prepare(settings, bundle, first.schema if first else schema)
        loaded.append(replace(serving, formats=first.formats) if first else serving)
        return loaded[-1]

    return load


def fields_of(servings: Sequence[Serving]) -> tuple[Collection[str], Collection[str]]:
    """Return the fields whose values the plans of several versions need, and those whose text they need."""
    fields = frozenset[str]().union(*(serving.plan.fields for serving in servings))
    return fields, frozenset[str]().union(*(serving.plan.texts for serving in servings))


def scored_fields(serving: Candidate) -> Wanted:
    """Return the fields that scores need, without the event's id and its time, in the order of the schema."""
    fields, texts = fields_of(serving.servings)
    known = serving.schema.fields
    return Wanted(serving.schema, [path for path in known if path in fields], [path for path in known if path in texts])


def _combining(ensemble: Ensemble, servings: Sequence[Serving]) -> Combining:
    if ensemble.combine == "mean":
        return Mean(ensemble.all_weights).combine
    return RankMean(ensemble.all_weights, [_reference(serving) for serving in servings]).combine


def _unlike(name: str, servings: Sequence[Serving]) -> list[Problem]:
    counts = [serving.outputs for serving in servings]
    if len(set(counts)) == 1:
        return []
    each = ", ".join(f"{one.version} gives {count}" for one, count in zip(servings, counts, strict=True))
    return [Problem(f"ensemble '{name}'", f"its versions give different numbers of scores: {each}")]


def _unranked(name: str, ensemble: Ensemble, servings: Sequence[Serving]) -> list[Problem]:
    """Return why scores cannot be ranked."""
    if ensemble.combine != "rank":
        return []
    where, problems = f"ensemble '{name}'", list[Problem]()
    for serving in servings:
        if serving.outputs > 1:
            what = f"version {serving.version} gives {serving.outputs} scores for an event, which have no rank"
            problems.append(Problem(where, what, "expected combine: mean"))
        elif (count := len(set(_reference(serving)))) < LEAST_SCORES:
            what = f"the golden events of version {serving.version} have {count} different scores to rank by"
            problems.append(Problem(where, what, f"expected at least {LEAST_SCORES}: add it with more golden events"))
    return problems


def _reference(serving: Serving) -> list[float]:
    """Return the scores of the golden events, which belong to the bundle, so that every replica has the same."""
    file = serving.bundle.golden_file
    scores = [golden.score for golden in read_golden(file)] if file else []
    return [score for score in scores if isinstance(score, float) and isfinite(score)]
