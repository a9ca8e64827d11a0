"""Scores the requests of a batch together: one look-up and one call of the model for all of their rows."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

import numpy as np
from numpy.typing import NDArray

from scorer.avro import prediction_json, score_json
from scorer.batch import Events, Outcome, Records
from scorer.errors import Unavailable
from scorer.monitor import Component, Metrics, Watch
from scorer.replica.pipeline import Core
from scorer.rest.desk import Job, Jobs
from scorer.rest.exchange import Scored
from scorer.rest.inline import with_given, without_given
from scorer.rest.messages import Refused, Response
from scorer.rest.orders import Group, Kind, Order, Ready, divided, failure, records_of
from scorer.rest.publishing import Beside
from scorer.rest.rows import RowReader, Rows
from scorer.rollout import State
from scorer.scoring import BaseScorer
from scorer.serving.ensemble import Candidate
from scorer.serving.lineup import Lineup
from scorer.serving.serving import ARM, Serving


@dataclass(slots=True, eq=False)
class Batch:
    """Requests that are being scored.

    core:      the core that scores them.
    responses: the responses that are ready, by the number of the request.
    groups:    the requests that still have to be scored.
    socket:    the descriptor on which their features arrive; None if no look-up was sent.
    blocks:    whether features are looked up.
    sent:      when the look-up was sent, by `perf_counter`.
    """

    core: Core
    responses: dict[int, Response] = field(default_factory=dict)
    groups: list[Group] = field(default_factory=list)
    socket: int | None = None
    blocks: bool = False
    sent: float = 0.0

    def complete(self) -> bool | None:
        """Whether the features have arrived; see `Begun.complete`."""
        return self.core.lookups is None or self.core.lookups.arrived()


class Answers:
    """Answers batches of requests, one at a time.

    Args:
        core: returns the core that scores the next batch; see `Follower.core`.
        most_rows: the most rows of a request.
        metrics: count rows and look-ups.
        watch: times the stages, and receives the status of the store.
        beside: receives the scored events.
    """

    def __init__(
        self, core: Callable[[], Core], most_rows: int, metrics: Metrics, watch: Watch, beside: Beside
    ) -> None:
        self._core, self._most_rows, self._metrics, self._watch = core, most_rows, metrics, watch
        self._beside = beside
        self.lineup: Lineup  # the versions that are served; `serve` sets it before the first request
        self._reader: RowReader
        self._entities: frozenset[str]
        self._pinned: dict[str, tuple[Core, BaseScorer]] = {}

    def serve(self, lineup: Lineup) -> None:
        """Set the versions that are served from now on; called by the follower."""
        self._reader, self._pinned, self.lineup = RowReader(lineup), {}, lineup
        self._entities = frozenset(entity.name for entity in lineup.entities)

    def idle(self) -> None:
        """Apply changes of the roll-out, and ping the store, while there are no requests."""
        self._watch.heartbeat()
        lookups = self._core().lookups
        if lookups and (reason := lookups.ping_if_idle()) is not None:
            self._watch.status(Component.FEATURES, reason)
        self._watch.iteration_ended(None)

    def begin(self, jobs: Jobs) -> Batch:
        """Read and decode the rows of requests, and send their look-up if that does not block. It raises nothing."""
        self._watch.begin_iteration()
        self._watch.heartbeat()
        batch, orders = Batch(self._core()), dict[Kind, list[Order]]()
        for at, job in enumerate(jobs):
            try:
                order = self._read(at, job)
                kind = Kind(order.asked.version, order.rows.values is not None, self._complete(order.rows))
                orders.setdefault(kind, []).append(order)
            except Exception as error:  # noqa: BLE001  no request may end the thread
                batch.responses[at] = failure(error)
        for kind, alike in orders.items():
            try:
                ready = None if kind.values else self._ready(kind, alike, batch.core)
                batch.groups.append(Group(kind, alike, ready))
            except Exception as error:  # noqa: BLE001  the same
                self._note(error)
                batch.responses |= Group(kind, alike, None).failed(error)
        self._send(batch)
        self._watch.pause()
        return batch

    def finish(self, begun: Batch) -> list[Response]:
        """Return the response of each request. It raises nothing."""
        self._watch.resume()
        if begun.sent:
            self._watch.stage("look_up").waited(time.perf_counter() - begun.sent)
        for group in begun.groups:
            try:
                scored = self._events(group, group.ready, begun.core) if group.ready else self._values(group)
            except Exception as error:  # noqa: BLE001  no request may end the thread
                self._note(error)
                begun.responses |= group.failed(error)
            else:
                begun.responses |= group.written(scored)
        return [begun.responses[at] for at in range(len(begun.responses))]

    def _send(self, batch: Batch) -> None:
        """Send the look-up ahead: a store receives one at a time."""
        asking = [group.ready for group in batch.groups if group.ready is not None and group.asks]
        batch.blocks = bool(asking)
        if len(asking) == 1 and batch.core.lookups is not None:
            batch.socket = batch.core.lookups.prefetch(asking[0].asking.requests)
            batch.sent = time.perf_counter() if batch.socket is not None else 0.0

    def _read(self, at: int, job: Job) -> Order:
        assert job.route.read is not None  # noqa: S101  only such requests are handed over
        asked = job.route.read(job.request)
        if len(asked.rows) > self._most_rows:
            what = f"{len(asked.rows):,} rows; at most {self._most_rows:,} fit into a request (serve.max_rows)"
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, what)
        if asked.version is not None:
            self._serving(asked.version)
        if job.client is not None:
            job.client.send(len(asked.rows))
        return Order(at, asked, self._reader.read(asked.rows))

    def _complete(self, rows: Rows) -> bool:
        return rows.values is None and rows.complete(self._entities)

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

    def _values(self, group: Group) -> list[Scored]:
        """Score rows of the model's columns: with the version that was asked for, or else the champion."""
        champion, version = self.lineup.champion, group.kind.version
        _, arm, serving = (0, ARM, champion) if version is None else self._serving(version)
        if not isinstance(serving, Serving):
            detail = f"'{serving.version}' is an ensemble, which has no columns of its own; send events"
            raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, detail)
        matrix = np.concatenate([order.rows.values for order in group.orders if order.rows.values is not None])
        with self._watch.stage("score"):
            scores = serving.booster.score(matrix)
        shared = {"model": serving.model, "version": serving.version, "arm": arm}
        documents: list[dict[str, object]] = [{"score": score_json(score)} | shared for score in scores.values.tolist()]
        self._metrics.acknowledged(len(documents) - len(scores.rejected), scores.rejected)
        return divided(self._named(group.kind), group.orders, documents, scores.rejected)

    def _ready(self, kind: Kind, orders: Sequence[Order], core: Core) -> Ready:
        """Decode the events of requests, and make their keys."""
        records = records_of([order.rows for order in orders])
        scorer = core.scorer if kind.version is None else self._scorer(kind.version, core)
        inline = [each for order in orders for each in order.rows.inline]
        given = {row: features for row, features in enumerate(inline) if features}
        with self._watch.stage("decode"):
            events = core.decoder.decode(records)
        prepared = scorer.prepare(events)
        return Ready(records, scorer, prepared, without_given(prepared, given), given, time.time())

    def _events(self, group: Group, ready: Ready, core: Core) -> list[Scored]:
        """Score events as a replica does.

        Raises:
            Unavailable: the store does not answer, and the policy is to wait.
            Fatal: the model no longer scores.
        """
        found = ready.scorer.look_up(ready.asking, ready.now)
        found = with_given(ready.prepared, found, ready.given)
        outcome = ready.scorer.finish(ready.prepared, found, ready.now)
        with self._watch.stage("encode"):
            documents = list(prediction_json(outcome))
        self._metrics.reused(found)
        self._count(ready.records, outcome)
        self._beside.scored(ready.records, outcome, core.shadows)
        if core.lookups and ready.asks:
            self._watch.status(Component.FEATURES, core.lookups.fallback_reason, core.lookups.fallback_shown)
        return divided(self._named(group.kind), group.orders, documents, outcome.rejected)

    def _named(self, kind: Kind) -> tuple[str, str]:
        return self.lineup.champion.model, kind.version or self.lineup.champion.version

    def _scorer(self, version: str, core: Core) -> BaseScorer:
        """Return a scorer that scores all rows with one version."""
        arm, _, _ = self._serving(version)
        if not self.lineup.canaries:
            return core.scorer
        if version not in self._pinned or self._pinned[version][0] is not core:
            servings = [serving for _, serving in self.lineup.roles]
            pinned = _Pinned(self.lineup.state, servings, arm)
            scorer = pinned.scorer(core.lookups.fetch if core.lookups else None, self._watch.stage)
            self._pinned[version] = core, scorer
        return self._pinned[version][1]

    def _count(self, records: Records, outcome: Outcome) -> None:
        self._metrics.acknowledged(len(records) - len(outcome.rejected), outcome.rejected)
        self._metrics.lookups(outcome.matrix.lookups, outcome.predictions.entities)
        self._watch.iteration_ended(records)

    def _note(self, error: Exception) -> None:
        """Report that a server is unavailable."""
        if isinstance(error, Unavailable):
            self._watch.status(Component(error.component), str(error), error.shown)


class _Pinned(Lineup):
    """A lineup in which one arm scores every event."""

    def __init__(self, state: State, candidates: Sequence[Candidate], arm: int) -> None:
        super().__init__(state, candidates)
        self._arm = arm

    def _assign(self, events: Events) -> NDArray[np.uint8]:
        return np.full(events.rows, self._arm, np.uint8)
