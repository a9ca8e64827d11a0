"""All metrics of a replica."""

import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Info,
    ProcessCollector,
    disable_created_metrics,
    exposition,
)
from prometheus_client.openmetrics import exposition as openmetrics

from scorer.batch import Found, Lookup, Outcome, Reason, Records, Rejected
from scorer.monitor.histogram import Histogram
from scorer.monitor.stages import Stages

OUTCOMES = ("predicted", "dead_letter")
COMMIT_RESULTS = ("ok", "failed", "not_owner")
CACHE_RESULTS = ("hit", "miss")
SHADOW_RESULTS = ("written", "rejected", "dropped")
GUARDS = ("dead_letters", "latency", "psi")
REBALANCE_KINDS = ("assigned", "revoked", "lost")

BATCH_RECORDS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000)
BATCH_BYTES = tuple(1024 * 4**power for power in range(10))  # 1 KiB to 256 MiB
END_TO_END_SECONDS = (
    *(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5),
    *(1.0, 2.0, 5.0, 10.0, 20.0, 60.0, 120.0, 300.0, 600.0),
)

disable_created_metrics()  # type: ignore[no-untyped-call]  # `_created` doubles the number of series and only tells when the process started


class Metrics:
    """All metrics of a replica; its methods are the events that change them.

    Any thread may read while the loop writes. Series with known label values start at 0, so that a rate includes their
    first increment.

    Args:
        entities: the names of the plan's entities, in the order of the arrays that `lookups` takes.
        clock: seconds since the epoch.
    """

    def __init__(self, entities: Sequence[str] = (), clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._registry = registry = CollectorRegistry()

        # Records whose prediction or dead letter the brokers acknowledged.
        self.records = Counter("scorer_records", "Records acknowledged, by outcome", ["outcome"], registry=registry)
        # Why records became dead letters; the sum over the reasons is `dead_letter` above.
        self.rejected = Counter("scorer_rejected", "Dead letters, by reason", ["reason"], registry=registry)
        # Records of each batch. If it stays at the maximum, the replica is behind.
        self.batch_records = Histogram("scorer_batch_records", "Records in a batch", BATCH_RECORDS, registry)
        # Bytes of the values of each batch.
        self.batch_bytes = Histogram("scorer_batch_bytes", "Bytes of values in a batch", BATCH_BYTES, registry)
        # Wall time and CPU time of each stage for one batch.
        self.stages = Stages(registry)
        # From the record's timestamp to the acknowledged prediction or dead letter; at least 0, though clocks differ.
        self.end_to_end_seconds = Histogram(
            "scorer_end_to_end_seconds",
            "Seconds from the record's timestamp to its acknowledged prediction or dead letter",
            END_TO_END_SECONDS,
            registry,
        )
        # End offset minus position, for each partition that this replica owns.
        self.lag_records = Gauge(
            "scorer_lag_records",
            "Offsets not yet read, of owned partitions",
            ["topic", "partition"],
            registry=registry,
        )
        # Offsets that retention deleted before they were read: lost events, if not 0.
        self.deleted_records = Counter(
            "scorer_deleted_records", "Offsets deleted before they were read", ["topic"], registry=registry
        )
        # Batches published and not yet acknowledged.
        self.in_flight_batches = Gauge("scorer_in_flight_batches", "Batches not yet acknowledged", registry=registry)
        # Commits by result: `failed` is retried, `not_owner` means that another replica scores the events again.
        self.commits = Counter("scorer_commits", "Offset commits, by result", ["result"], registry=registry)
        # One for each event and entity: `hit`, or why the entity's columns had only defaults.
        self.features = Counter("scorer_features", "Feature look-ups", ["entity", "result"], registry=registry)
        # Distinct keys of batches, by whether the cache answered them; always 0 without a cache.
        self.feature_cache = Counter(
            "scorer_feature_cache", "Keys, by whether the cache answered", ["entity", "result"], registry=registry
        )
        # The model that each arm serves, as labels; the value is always 1.
        self.model_info = Info("scorer_model", "The model that an arm serves", ["arm", "version"], registry=registry)
        # Whether the trees of that model are compiled: if 0, XGBoost itself scores, which is several times slower.
        self.model_compiled = Gauge(
            "scorer_model_compiled", "1 if the model's trees are compiled", ["arm"], registry=registry
        )
        # 1 while the newest roll-out state cannot be served, so that an older one is.
        self.rollout_behind = Gauge(
            "scorer_rollout_behind", "1 if the newest roll-out state is not served", registry=registry
        )
        # Events of shadows: `written` to their topic, `rejected` by the version, or `dropped` since it was too slow.
        self.shadow_events = Counter("scorer_shadow_events", "Events of shadows", ["result"], registry=registry)
        # Canaries that this replica withdrew for the group, by the guard that found the reason.
        self.guard_withdrawals = Counter(
            "scorer_guard_withdrawals", "Canaries withdrawn by guards", ["guard"], registry=registry
        )
        # Changes of the assignment: `lost` means that the group took the partitions away without asking.
        self.rebalances = Counter("scorer_rebalances", "Changes of the assignment", ["kind"], registry=registry)
        # Unix time of the last successful commit, 0 before the first.
        self.last_commit = Gauge(
            "scorer_last_commit_timestamp_seconds", "Unix time of the last successful commit", registry=registry
        )
        # process_cpu_seconds_total, process_resident_memory_bytes and so on.
        ProcessCollector(registry=registry)
        self._arms: set[tuple[str, str]] = set()  # the name and version of each
        self._start_at_zero(entities)

    @property
    def registry(self) -> CollectorRegistry:
        """The registry of all metrics, for those of a server beside them."""
        return self._registry

    def _start_at_zero(self, entities: Sequence[str]) -> None:
        """Create the known series, and keep references to those of every batch, since a look-up by labels is slow."""
        self._predicted, self._dead_letter = (self.records.labels(outcome) for outcome in OUTCOMES)
        self._lookups = {entity: self._lookups_of(entity) for entity in entities}
        self._cache = {entity: self._cache_of(entity) for entity in entities}
        self._entities = tuple(entities)
        self._batch_records, self._batch_bytes = self.batch_records.series(), self.batch_bytes.series()
        self._end_to_end = self.end_to_end_seconds.series()
        for reason in Reason:
            self.rejected.labels(reason)
        for result in COMMIT_RESULTS:
            self.commits.labels(result)
        for result in SHADOW_RESULTS:
            self.shadow_events.labels(result)
        for guard in GUARDS:
            self.guard_withdrawals.labels(guard)
        for kind in REBALANCE_KINDS:
            self.rebalances.labels(kind)

    def _lookups_of(self, entity: str) -> list[Counter]:
        return [self.features.labels(entity, each.name.lower()) for each in Lookup]

    def _cache_of(self, entity: str) -> list[Counter]:
        return [self.feature_cache.labels(entity, each) for each in CACHE_RESULTS]

    def scored(self, outcome: Outcome) -> None:
        """Count the keys for which the cache answered."""
        self.reused(outcome.found)

    def written(self, records: Records, outcome: Outcome, unwritable: Sequence[Rejected]) -> None:
        """Count a batch whose predictions and dead letters the brokers acknowledged."""
        letters = [*outcome.rejected, *unwritable]
        self.acknowledged(len(records) - len(letters), letters)
        self.lookups(outcome.matrix.lookups, outcome.predictions.entities)
        self.end_to_end(self._clock() - records.timestamp[records.timestamp >= 0] / 1000)

    def iteration_ended(self, records: Records | None) -> None:
        """End an iteration of the loop; `records` is None if it had no batch."""
        if records is not None:
            self._batch_records.observe(len(records))
            self._batch_bytes.observe(len(records.data))
        self.stages.end_iteration(batch=records is not None)

    def acknowledged(self, predicted: int, rejected: Sequence[Rejected]) -> None:
        """Count the predictions and dead letters of a batch that the brokers acknowledged."""
        self._predicted.inc(predicted)
        if rejected:
            self._dead_letter.inc(len(rejected))
        for row in rejected:
            self.rejected.labels(row.reason).inc()

    def end_to_end(self, seconds: NDArray[np.float64]) -> None:
        """Observe seconds [records] from each timestamp to the acknowledged prediction or dead letter."""
        self._end_to_end.observe_all(np.maximum(seconds, 0.0))

    def lookups(self, counts: NDArray[np.int64], entities: Sequence[str] | None = None) -> None:
        """Count the look-ups of a batch.

        Args:
            counts: int64 [entities, Lookup], the rows with each result.
            entities: the names of the entities; by default those that were known at the start.
        """
        for entity, results in zip(self._entities if entities is None else entities, counts.tolist(), strict=True):
            counters = self._lookups.get(entity) or self._lookups.setdefault(entity, self._lookups_of(entity))
            for counter, rows in zip(counters, results, strict=True):
                if rows:
                    counter.inc(rows)

    def reused(self, found: Sequence[Found]) -> None:
        """Count the keys of a batch by whether the cache answered them; without a cache, count nothing."""
        for each in found:
            if each.reused is not None:
                known = self._cache.get(each.entity)
                hits, misses = known or self._cache.setdefault(each.entity, self._cache_of(each.entity))
                hits.inc(each.reused)
                misses.inc(len(each.keys) - each.reused)

    def committed(self, result: str) -> None:
        """Count a commit by one of COMMIT_RESULTS; `ok` also updates the time of the last commit."""
        self.commits.labels(result).inc()
        if result == "ok":
            self.last_commit.set(self._clock())

    def confirmed(self, offsets: Mapping[tuple[str, int], int]) -> None:
        """Do nothing: `committed` counts the commits."""

    def rebalance(self, kind: str) -> None:
        """Count a change of the assignment by one of REBALANCE_KINDS."""
        self.rebalances.labels(kind).inc()

    def in_flight(self, batches: int) -> None:
        """Set how many batches are published and not yet acknowledged."""
        self.in_flight_batches.set(batches)

    def lag(self, topic: str, partition: int, records: int) -> None:
        """Set how many offsets of an owned partition are not read yet."""
        self.lag_records.labels(topic, str(partition)).set(records)

    def deleted(self, topic: str, partition: int, offsets: int) -> None:  # noqa: ARG002  the log names the partition
        """Count offsets that were deleted before they were read."""
        self.deleted_records.labels(topic).inc(offsets)

    def forget(self, topic: str, partition: int) -> None:
        """Drop the lag of a partition that this replica no longer owns: another replica reports it now."""
        self.lag_records.remove(topic, str(partition))

    def model(self, model: str, version: str, arm: str, *, compiled: bool) -> None:
        """Set the only model and version that is served, and whether its trees are compiled."""
        self.models(model, [(version, arm, compiled)])

    def models(self, model: str, arms: Sequence[tuple[str, str, bool]]) -> None:
        """Set what is served.

        Args:
            model: the model's name.
            arms: the version and name of each arm, and whether its trees are compiled.
        """
        gone = self._arms - {(name, version) for version, name, _ in arms}
        for version, name, _ in arms:
            self.model_info.labels(name, version).info({"model": model})
        for name in {name for _, name, _ in arms}:
            self.model_compiled.labels(name).set(all(fast for _, each, fast in arms if each == name))
        for name, version in gone:
            self.model_info.remove(name, version)
        for name in {name for name, _ in gone} - {name for _, name, _ in arms}:
            self.model_compiled.remove(name)
        self._arms = {(name, version) for version, name, _ in arms}

    def rollout(self, reason: str) -> None:
        """Set whether the newest roll-out state is not served; the reason is empty if it is."""
        self.rollout_behind.set(bool(reason))

    def shadows(self, result: str, events: int) -> None:
        """Count events of shadows by one of SHADOW_RESULTS."""
        self.shadow_events.labels(result).inc(events)

    def withdrawn(self, guard: str) -> None:
        """Count a canary that this replica withdrew by one of GUARDS."""
        self.guard_withdrawals.labels(guard).inc()

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """Write every metric.

        Args:
            accept: the Accept header; the format is OpenMetrics unless the header accepts only another text format.

        Returns:
            The text, UTF-8, and its content type.
        """
        if wants_plain_text(accept):
            return exposition.generate_latest(self._registry), exposition.CONTENT_TYPE_PLAIN_0_0_4
        text: bytes = openmetrics.generate_latest(self._registry)  # type: ignore[no-untyped-call]
        return text, openmetrics.CONTENT_TYPE_LATEST


def wants_plain_text(accept: str) -> bool:
    """Whether an Accept header accepts text, but not OpenMetrics."""
    return "openmetrics" not in accept and "text/" in accept
