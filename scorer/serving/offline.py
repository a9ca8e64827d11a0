"""Scoring without Kafka: the same parts as a replica, driven from files and from a bundle's golden events."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from time import time

import numpy as np

from scorer.avro import BadEvent, Converter
from scorer.batch import Outcome, Records, ScoreArray
from scorer.errors import Misconfigured, Problem, did_you_mean
from scorer.model import Golden, read_golden
from scorer.plan import Entity
from scorer.serving.ensemble import Candidate
from scorer.serving.serving import Serving
from scorer.store import Fetch, Reply, Request, stored

GOLDEN_TOLERANCE = 1e-5  # relative: a golden score may come from another machine's arithmetic


class Offline:
    """Scores the Avro bodies of events, batch by batch, with the parts of a replica.

    Args:
        serving: the version or the ensemble, and the schema.
        fetch: looks features up; None if the plan has no entities.

    Attributes:
        scorer: scores decoded events.
    """

    def __init__(self, serving: Candidate, fetch: Fetch | None) -> None:
        self._serving = serving
        self._decoder = serving.decoder()
        self.scorer = serving.scorer(fetch)

    def score(self, bodies: Sequence[bytes], first: int = 0) -> Outcome:
        """Score events given as Avro bodies without framing.

        Args:
            bodies: the events.
            first: the number of the first event; an event without an id gets its number as its id.

        Raises:
            Unavailable: the store is unavailable and the policy is to wait.
        """
        return self.scorer.score(self._decoder.decode(Records.of(bodies, first)), time())

    def outcomes(self, bodies: Iterable[bytes]) -> Iterator[Outcome]:
        """Score any number of events in batches of the settings' size.

        Raises:
            Unavailable: the store cannot answer and the policy is to wait.
        """
        first, limits = 0, self._serving.settings.batch
        for batch in _batches(bodies, limits.max_records, limits.max_bytes):
            yield self.score(batch, first)
            first += len(batch)


def _batches(bodies: Iterable[bytes], most: int, most_bytes: int) -> Iterator[list[bytes]]:
    """Yield batches of at most `most` bodies; a batch also ends with the body that reaches `most_bytes`."""
    batch: list[bytes] = []
    size = 0
    for body in bodies:
        batch.append(body)
        size += len(body)
        if len(batch) == most or size >= most_bytes:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


@dataclass(slots=True)
class GoldenResult:
    """The scores of a bundle's golden events, compared with those that are expected.

    events:   how many golden events there are.
    exact:    how many get their score in every bit; others may be off by the tolerance.
    problems: the events that do not get their score.
    """

    events: int = 0
    exact: int = 0
    problems: list[Problem] = field(default_factory=list)


def require_golden(serving: Serving) -> GoldenResult:
    """Make sure that a bundle's golden events get their scores.

    Raises:
        Misconfigured: some do not; see `golden_result`.
    """
    result = golden_result(serving)
    if result.problems:
        raise Misconfigured(result.problems)
    return result


def golden_problems(serving: Serving) -> list[Problem]:
    """Return which golden events do not get their scores; see `golden_result`."""
    return golden_result(serving).problems


def golden_result(serving: Serving) -> GoldenResult:
    """Score a bundle's golden events with the features given for them, and compare the scores with those expected.

    It also compares the compiled trees with the booster: their scores of these events must be equal bit for bit.
    """
    result, file = GoldenResult(), serving.bundle.golden_file
    if file is None:
        return result
    converter, store = Converter(serving.schema), GoldenStore()
    offline, problems = Offline(serving, store.fetch), result.problems
    for number, golden in enumerate(read_golden(file), 1):
        where = f"{file.name}: line {number}"
        result.events = number
        store.features = golden.features
        try:
            outcome = offline.score([converter.to_avro(dict(golden.event), where)])
        except BadEvent as error:
            problems += error.problems
            continue
        serving.booster.confirm(outcome.matrix.values)
        if outcome.rejected:
            problems.append(
                Problem(where, f"rejected: {outcome.rejected[0].detail}", f"expected the score {golden.score}")
            )
        elif not _same(outcome.predictions.scores[0], golden):
            unused = _unused(golden, serving.plan.entities)
            what = f"scored {outcome.predictions.scores[0].tolist()}{unused}"
            problems.append(Problem(where, what, f"expected {golden.score}"))
        else:
            result.exact += _same(outcome.predictions.scores[0], golden, 0)
    return result


class GoldenStore:
    """A store that returns the features of one golden event, whatever key is requested."""

    def __init__(self) -> None:
        self.features: Mapping[str, Mapping[str, float | None]] = {}

    def fetch(self, requests: Sequence[Request], now: float) -> list[Reply]:  # noqa: ARG002  a golden event has no age
        """Return the golden features of each entity."""
        return [
            stored(request.entity, [self.features.get(request.entity.name)] * len(request.keys), now=None)
            for request in requests
        ]


def _unused(golden: Golden, entities: Sequence[Entity]) -> str:
    """Return which features of a golden event the plan does not have: they may be why the score differs."""
    known = {f"{entity.name}.{field}" for entity in entities for field in entity.fields}
    given = [f"{entity}.{field}" for entity, features in golden.features.items() for field in features]
    return "".join(
        f"; the plan has no feature '{name}'{did_you_mean(name, known)}" for name in given if name not in known
    )


def _same(score: ScoreArray, golden: Golden, tolerance: float = GOLDEN_TOLERANCE) -> bool:
    expected = np.asarray(golden.score, score.dtype)
    least = tolerance and 1e-7
    return score.shape == expected.shape and np.allclose(score, expected, tolerance, least, equal_nan=True)
