"""Scoring without Kafka: the same parts as a replica, driven from files and from a bundle's golden events."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from time import time

import numpy as np
from numpy.typing import NDArray

from scorer.avro import BadEvent, Converter, prediction_json
from scorer.batch import Lookup, Outcome, Records
from scorer.errors import Problem, did_you_mean
from scorer.model import Golden, read_golden
from scorer.plan import Entity
from scorer.serving import Serving
from scorer.store import Fetch, Reply, Request

GOLDEN_TOLERANCE = 1e-5  # relative: a golden score may come from another machine's arithmetic


class Offline:
    """Scores bodies of events, batch by batch, with the parts of a replica.

    Args:
        serving: the model and the schema.
        fetch: looks features up; None where the plan has no entities.
    """

    def __init__(self, serving: Serving, fetch: Fetch | None) -> None:
        self._serving = serving
        self._decoder = serving.decoder()
        self._scorer = serving.scorer(fetch)

    def score(self, bodies: Sequence[bytes], first: int = 0) -> Outcome:
        """Score events given as Avro bodies without framing.

        Args:
            bodies: the events.
            first: the number of the first of them, from which those without an id are numbered.

        Raises:
            Unavailable: the store cannot answer and the policy is to wait.
        """
        return self._scorer.score(self._decoder.decode(Records.of(bodies, first)), time())

    def predictions(self, bodies: Iterable[bytes]) -> Iterator[dict[str, object]]:
        """Yield one prediction an event as plain JSON; a rejected one has the score null, a `reason` and a `detail`."""
        first, limits = 0, self._serving.settings.batch
        for batch in _batches(bodies, limits.max_records, limits.max_bytes):
            yield from prediction_json(self.score(batch, first))
            first += len(batch)


def _batches(bodies: Iterable[bytes], most: int, most_bytes: int) -> Iterator[list[bytes]]:
    """Yield bodies in batches, each of so many at most; the last of one may pass the limit of bytes."""
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


def golden_problems(serving: Serving) -> list[Problem]:
    """Score a bundle's golden events with the features that stand beside them, and return where the scores differ.

    On the way compiled trees are held against the booster: their scores of these events must be the same bit for bit.
    """
    file = serving.bundle.golden_file
    if file is None:
        return []
    converter, store = Converter(serving.schema), GoldenStore()
    offline = Offline(serving, store.fetch)
    problems: list[Problem] = []
    for number, golden in enumerate(read_golden(file), 1):
        where = f"{file.name}: line {number}"
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
    return problems


class GoldenStore:
    """Knows the entities of one golden event, whatever their keys."""

    def __init__(self) -> None:
        self.features: Mapping[str, Mapping[str, float | None]] = {}

    def fetch(self, requests: Sequence[Request], now: float) -> list[Reply]:  # noqa: ARG002  a golden event has no age
        """Answer for the one key of each entity."""
        return [self._reply(request) for request in requests]

    def _reply(self, request: Request) -> Reply:
        entity = request.entity
        known = self.features.get(entity.name, {})
        found = [known.get(field) for field in entity.fields]
        values = np.array([[np.nan if value is None else value for value in found]], np.float64)
        if entity.layout == "packed":
            values = values.astype(np.float32).astype(np.float64)  # as such a value can be in Redis
        absent = np.array([[value is None for value in found]])
        lookup = Lookup.MISSING if absent.all() else Lookup.HIT
        keys = len(request.keys)
        return Reply(values.repeat(keys, 0), absent.repeat(keys, 0), np.full(keys, lookup, np.uint8))


def _unused(golden: Golden, entities: Sequence[Entity]) -> str:
    """Say which features of a golden event the plan does not have: they may be why its score is another."""
    known = {f"{entity.name}.{field}" for entity in entities for field in entity.fields}
    given = [f"{entity}.{field}" for entity, features in golden.features.items() for field in features]
    return "".join(
        f"; the plan has no feature '{name}'{did_you_mean(name, known)}" for name in given if name not in known
    )


def _same(score: NDArray[np.float32], golden: Golden) -> bool:
    expected = np.asarray(golden.score, np.float32)
    return score.shape == expected.shape and np.allclose(score, expected, GOLDEN_TOLERANCE, 1e-7, equal_nan=True)
