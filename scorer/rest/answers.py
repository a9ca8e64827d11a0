"""Scores the requests of a batch together: one look-up and one call of the model for all of their rows."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import NamedTuple

import numpy as np
import structlog
from numpy.typing import NDArray

from scorer.avro import prediction_json, score_json
from scorer.batch import Events, Outcome, Records, Rejected
from scorer.ensemble import Candidate
from scorer.errors import Unavailable
from scorer.lineup import Lineup
from scorer.monitor import Component, Metrics, Watch
from scorer.pipeline import Core
from scorer.redaction import redact
from scorer.rest.desk import Job, Jobs
from scorer.rest.exchange import Asked, Scored
from scorer.rest.inline import with_given, without_given
from scorer.rest.messages import Refused, Response
from scorer.rest.rows import Fault, RowReader, Rows
from scorer.rollout import State
from scorer.scoring import BaseScorer
from scorer.serving import ARM, Serving

RETRY = (("Retry-After", "1"),)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Order:
    """The rows of a request that are ready to be scored."""

    at: int  # the number of the request in its batch
    asked: Asked
    rows: Rows


class Kind(NamedTuple):
    """What orders have in common that are scored together."""

    version: str | None
    values: bool
    complete: bool  # nothing is looked up, so that it is scored whatever the store does


class Answers:
    """Answers batches of requests, on one thread.

    Args:
        core: returns what scores the next batch; see `Follower.core`.
        most_rows: in a request.
        metrics: count rows and look-ups.
        watch: times the stages, and is told of the store.
    """

    def __init__(self, core: Callable[[], Core], most_rows: int, metrics: Metrics, watch: Watch) -> None:
        self._core, self._most_rows, self._metrics, self._watch = core, most_rows, metrics, watch
        self.lineup: Lineup  # what is served: set by `serve` before anything is asked
        self._reader: RowReader
        self._pinned: dict[str, tuple[Core, BaseScorer]] = {}

    def serve(self, lineup: Lineup) -> None:
        """Take up what is served from now on; called by the follower."""
        self._reader, self._pinned, self.lineup = RowReader(lineup), {}, lineup

    def idle(self) -> None:
        """Take up changes of the roll-out, and look after the store, while nothing is asked."""
        self._watch.heartbeat()
        lookups = self._core().lookups
        if lookups and (reason := lookups.ping_if_idle()) is not None:
            self._watch.status(Component.FEATURES, reason)
        self._watch.iteration_ended(None)

    def score(self, jobs: Jobs) -> list[Response]:
        """Return the response of each request; it raises nothing."""
        self._watch.heartbeat()
        core, responses, orders = self._core(), dict[int, Response](), dict[Kind, list[Order]]()
        for at, job in enumerate(jobs):
            try:
                order = self._read(at, job)
                kind = Kind(order.asked.version, order.rows.values is not None, self._complete(order.rows))
                orders.setdefault(kind, []).append(order)
            except Exception as error:  # noqa: BLE001  no request may end the thread
                responses[at] = _failure(error)
        for kind, alike in orders.items():
            try:
                scored = self._values(kind, alike) if kind.values else self._events(kind, alike, core)
            except Exception as error:  # noqa: BLE001  the same
                self._note(error)
                responses |= dict.fromkeys([order.at for order in alike], _failure(error))
            else:
                responses |= {order.at: _written(order, each) for order, each in zip(alike, scored, strict=True)}
        return [responses[at] for at in range(len(jobs))]

    def _read(self, at: int, job: Job) -> Order:
        assert job.route.read is not None  # noqa: S101  only such requests are handed over
        asked = job.route.read(job.request)
        if len(asked.rows) > self._most_rows:
            what = f"{len(asked.rows):,} rows; at most {self._most_rows:,} fit into a request (serve.max_rows)"
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, what)
        if asked.version is not None:
            self._serving(asked.version)
        return Order(at, asked, self._reader.read(asked.rows))

    def _complete(self, rows: Rows) -> bool:
        return rows.values is None and rows.complete(entity.name for entity in self.lineup.entities)

    def _serving(self, version: str) -> tuple[int, str, Candidate]:
        """Return the number of a version's arm, its name, and what serves it.

        Raises:
            Refused: it is not served.
        """
        for number, (name, serving) in enumerate(self.lineup.roles):
            if serving.version == version:
                return number, name, serving
        served = ", ".join(f"{serving.version} ({name})" for name, serving in self.lineup.roles)
        raise Refused(HTTPStatus.NOT_FOUND, f"version '{version[:80]}' is not served; served are {served}")

    def _values(self, kind: Kind, orders: Sequence[Order]) -> list[Scored]:
        """Score rows of the model's columns: with the version that was asked for, or else the champion."""
        champion = self.lineup.champion
        _, arm, serving = (0, ARM, champion) if kind.version is None else self._serving(kind.version)
        if not isinstance(serving, Serving):
            detail = f"'{serving.version}' is an ensemble, which has no columns of its own; send events"
            raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, detail)
        matrix = np.concatenate([order.rows.values for order in orders if order.rows.values is not None])
        with self._watch.stage("score"):
            scores = serving.booster.score(matrix)
        shared = {"model": serving.model, "version": serving.version, "arm": arm}
        documents: list[dict[str, object]] = [{"score": score_json(score)} | shared for score in scores.values.tolist()]
        self._metrics.acknowledged(len(documents) - len(scores.rejected), scores.rejected)
        return self._divided(kind, orders, documents, scores.rejected)

    def _events(self, kind: Kind, orders: Sequence[Order], core: Core) -> list[Scored]:
        """Score events as a replica does.

        Raises:
            Unavailable: the store does not answer, and the policy is to wait.
            Fatal: the model no longer scores.
        """
        records, now = _records([order.rows for order in orders]), time.time()
        scorer = core.scorer if kind.version is None else self._scorer(kind.version, core)
        inline = [each for order in orders for each in order.rows.inline]
        given = {row: features for row, features in enumerate(inline) if features}
        with self._watch.stage("decode"):
            events = core.decoder.decode(records)
        prepared = scorer.prepare(events)
        asking = without_given(prepared, given)
        found = scorer.look_up(asking, now)
        outcome = scorer.finish(prepared, with_given(prepared, found, given), now)
        with self._watch.stage("encode"):
            documents = list(prediction_json(outcome))
        self._metrics.reused(found)
        self._count(records, outcome)
        if core.lookups and any(request.keys for request in asking.requests):
            self._watch.status(Component.FEATURES, core.lookups.fallback_reason, core.lookups.fallback_shown)
        return self._divided(kind, orders, documents, outcome.rejected)

    def _scorer(self, version: str, core: Core) -> BaseScorer:
        """Return what scores all rows with one version."""
        arm, _, _ = self._serving(version)
        if not self.lineup.canaries:
            return core.scorer
        if version not in self._pinned or self._pinned[version][0] is not core:
            servings = [serving for _, serving in self.lineup.roles]
            pinned = _Pinned(self.lineup.state, servings, arm)
            scorer = pinned.scorer(core.lookups.fetch if core.lookups else None, self._watch.stage)
            self._pinned[version] = core, scorer
        return self._pinned[version][1]

    def _divided(
        self, kind: Kind, orders: Sequence[Order], documents: list[dict[str, object]], rejected: Sequence[Rejected]
    ) -> list[Scored]:
        """Return to each request its part of the predictions."""
        faults, first, parts = {each.row: Fault(each.reason, each.detail) for each in rejected}, 0, list[Scored]()
        champion = self.lineup.champion
        for order in orders:
            end = first + len(order.rows)
            faults |= {first + row: fault for row, fault in order.rows.bad.items()}
            mine = {row - first: faults[row] for row in range(first, end) if row in faults} if faults else {}
            rows = documents[first:end]
            for row, fault in mine.items():
                rows[row] |= {"score": None, "reason": fault.reason.value, "detail": fault.detail}
            parts.append(Scored(champion.model, kind.version or champion.version, rows, mine))
            first = end
        return parts

    def _count(self, records: Records, outcome: Outcome) -> None:
        self._metrics.acknowledged(len(records) - len(outcome.rejected), outcome.rejected)
        self._metrics.lookups(outcome.matrix.lookups, outcome.predictions.entities)
        self._watch.iteration_ended(records)

    def _note(self, error: Exception) -> None:
        """Tell what is wrong with a server."""
        if isinstance(error, Unavailable):
            self._watch.status(Component(error.component), str(error), error.shown)


class _Pinned(Lineup):
    """A lineup of which one arm scores everything."""

    def __init__(self, state: State, candidates: Sequence[Candidate], arm: int) -> None:
        super().__init__(state, candidates)
        self._arm = arm

    def _assign(self, events: Events) -> NDArray[np.uint8]:
        return np.full(events.rows, self._arm, np.uint8)


def _records(parts: Sequence[Rows]) -> Records:
    """Return the events of several requests; one without an id is numbered within its request."""
    records = Records.of([body for rows in parts for body in rows.bodies])
    return replace(records, offset=np.concatenate([np.arange(len(rows)) for rows in parts]))


def _written(order: Order, scored: Scored) -> Response:
    try:
        return order.asked.write(scored)
    except Exception as error:  # noqa: BLE001  no request may end the thread
        return _failure(error)


def _failure(error: Exception) -> Response:
    match error:
        case Refused():
            return error.response
        case Unavailable():
            what = redact(error.shown or str(error))
            return Refused(
                HTTPStatus.SERVICE_UNAVAILABLE, f"features cannot be read now: {what}", headers=RETRY
            ).response
        case _:
            log.error("request failed", error=f"{type(error).__name__}: {redact(str(error))}")
            return Refused(
                HTTPStatus.INTERNAL_SERVER_ERROR, "the request cannot be answered; the log says why"
            ).response
