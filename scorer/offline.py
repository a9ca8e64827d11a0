"""Scoring without Kafka: the same parts as a replica, driven from files and from a bundle's golden events."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import time

import numpy as np
from numpy.typing import NDArray

from scorer.avro import BadEvent, Converter, frame
from scorer.avro.grammar import Scalar
from scorer.avro.plain import to_json
from scorer.batch import NO_TIME, Events, Lookup, Matrix, Records, Rejected, Scores
from scorer.errors import Problem, did_you_mean
from scorer.model import Golden, read_golden
from scorer.plan import Entity
from scorer.serving import Serving
from scorer.store import Reply, Request, Store

NUMBER, TIMESTAMP = Scalar("double"), Scalar("long", "timestamp-millis")
GOLDEN_TOLERANCE = 1e-5  # relative: a golden score may come from another machine's arithmetic


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """One batch, scored; arrays as in `scorer.batch`."""

    events: Events
    matrix: Matrix
    scores: Scores
    rejected: Sequence[Rejected]


class Offline:
    """Scores bodies of events, batch by batch.

    Args:
        serving: the model and the schema.
        store: where features are looked up; None where the plan has no entities.
    """

    def __init__(self, serving: Serving, store: Store | None) -> None:
        self._serving = serving
        self._decoder = serving.decoder()
        self._features = serving.features(store)

    def score(self, bodies: Sequence[bytes]) -> Outcome:
        """Score events given as Avro bodies without framing.

        Raises:
            Unavailable: the store cannot answer and the policy is to wait.
        """
        events = self._decoder.decode(self._records(bodies))
        matrix = self._features.assemble(events, self._features.look_up(self._features.keys(events), events))
        scores = self._serving.booster.score(matrix.values)
        return Outcome(events, matrix, scores, [*events.rejected, *matrix.rejected, *scores.rejected])

    def predictions(self, bodies: Iterable[bytes]) -> Iterator[dict[str, object]]:
        """Yield one prediction an event as plain JSON; a rejected one has the score null, a `reason` and a `detail`."""
        first, limits = 0, self._serving.settings.batch
        for batch in _batches(bodies, limits.max_records, limits.max_bytes):
            yield from self._json(self.score(batch), first)
            first += len(batch)

    def _records(self, bodies: Sequence[bytes]) -> Records:
        schema, framing = self._serving.schema, self._serving.settings.events.framing
        values = [frame(body, schema, framing) for body in bodies]
        rows = len(values)
        return Records(
            topics=("",),
            topic=np.zeros(rows, np.int32),
            partition=np.zeros(rows, np.int32),
            offset=np.arange(rows),
            timestamp=np.full(rows, NO_TIME),
            keys=[None] * rows,
            data=np.frombuffer(b"".join(values), np.uint8),
            ends=np.cumsum([len(value) for value in values]),
        )

    def _json(self, outcome: Outcome, first: int) -> Iterator[dict[str, object]]:
        events, bundle = outcome.events, self._serving.bundle
        rejected = {each.row: each for each in outcome.rejected}
        text = events.data.tobytes()
        scored_at = to_json(TIMESTAMP, int(time() * 1000))
        for row, (start, end) in enumerate(zip(events.id_starts.tolist(), events.id_ends.tolist(), strict=True)):
            own = text[start:end].decode(errors="replace")
            prediction: dict[str, object] = {
                "event_id": str(first + row) if own == f"-0-{row}" else own,  # what a record without a topic is called
                "score": None if row in rejected else _plain(outcome.scores.values[row].tolist()),
                "model": bundle.name,
                "version": bundle.version,
                "arm": "champion",
                "missing": [
                    name for name, gone in zip(self._serving.entities, outcome.matrix.missing[row], strict=True) if gone
                ],
                "degraded": outcome.matrix.degraded,
                "source_topic": None,
                "source_partition": None,
                "source_offset": None,
                "event_time": None if events.time[row] == NO_TIME else to_json(TIMESTAMP, int(events.time[row])),
                "scored_at": scored_at,
            }
            if row in rejected:
                prediction |= {"reason": rejected[row].reason.value, "detail": rejected[row].detail}
            yield prediction


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
    offline = Offline(serving, store)
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
        elif not _same(outcome.scores.values[0], golden):
            unused = _unused(golden, serving.plan.entities)
            what = f"scored {outcome.scores.values[0].tolist()}{unused}"
            problems.append(Problem(where, what, f"expected {golden.score}"))
    return problems


class GoldenStore:
    """A feature store that knows the entities of one golden event, whatever their keys."""

    def __init__(self) -> None:
        self.features: Mapping[str, Mapping[str, float | None]] = {}

    def fetch(self, requests: Sequence[Request], now: float) -> list[Reply]:  # noqa: ARG002  a golden event has no age
        """Answer for the one key of each entity."""
        return [self._reply(request) for request in requests]

    def ping(self) -> None:
        """Be there."""

    def close(self) -> None:
        """Hold nothing that needs closing."""

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


def _plain(score: float | list[float]) -> object:
    return [to_json(NUMBER, each) for each in score] if isinstance(score, list) else to_json(NUMBER, score)
