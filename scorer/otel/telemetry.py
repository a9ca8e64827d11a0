"""Builds the exports of a replica or a server from its settings; only then is the SDK imported."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from prometheus_client import CollectorRegistry, Counter

from scorer.errors import Misconfigured, Problem
from scorer.monitor import Metrics
from scorer.otel.answered import Requests
from scorer.otel.sending import Complaints, MetricPost, Outage, SpanPost
from scorer.otel.tracing import Rule, Tracing
from scorer.settings import KafkaSettings, OtelSettings

RESULTS = ("exported", "dropped")


class SpanMetrics:
    """Counts exported and dropped spans.

    Args:
        registry: the replica's metrics registry.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        # Spans of traced batches: `exported`, or `dropped` since the receiver did not take them in time.
        self._spans = Counter("scorer_spans", "Spans, by what became of them", ["result"], registry=registry)
        for result in RESULTS:
            self._spans.labels(result)

    def count(self, result: str, spans: int) -> None:
        """Count spans by one of RESULTS."""
        self._spans.labels(result).inc(spans)

    def dropped(self, spans: int) -> None:
        """Count dropped spans."""
        self.count("dropped", spans)


@contextmanager
def exporting(otel: OtelSettings, kafka: KafkaSettings, metrics: Metrics) -> Iterator[Tracing | None]:
    """Export spans and metrics of a replica until the block ends; yield the observer that samples batches.

    Yields None if `otel.endpoint` is null.

    Args:
        otel: the receiver, and the share of batches.
        kafka: the group, and the instance id of the replica if it has one.
        metrics: the metrics of the replica.

    Raises:
        Misconfigured: the packages of the extra are not installed.
    """
    if otel.endpoint is None:
        yield None
        return
    with _posts(otel, kafka.instance_id, metrics) as (post, counted):
        rule = Rule(otel.sample, everything=otel.carry == "all")
        yield Tracing(rule, kafka.group_id, metrics.stages, post.send, counted.dropped)


@contextmanager
def exporting_requests(otel: OtelSettings, metrics: Metrics) -> Iterator[Requests | None]:
    """Export spans and metrics of `scorer serve` until the block ends; yield what samples requests.

    Yields None if `otel.endpoint` is null.

    Args:
        otel: the receiver, and the share of requests.
        metrics: the metrics of the server.

    Raises:
        Misconfigured: the packages of the extra are not installed.
    """
    if otel.endpoint is None:
        yield None
        return
    with _posts(otel, None, metrics) as (post, _):
        yield Requests(otel.sample, post.send)


@contextmanager
def _posts(otel: OtelSettings, instance: str | None, metrics: Metrics) -> Iterator[tuple[SpanPost, SpanMetrics]]:
    exporters = installed()
    counted, complaints = SpanMetrics(metrics.registry), Complaints()
    resource = exporters.resource_of(otel, instance or uuid.uuid4().hex)
    spans = exporters.span_export(otel, resource)
    points = exporters.metric_export(otel, resource, metrics.registry)
    post = SpanPost(spans, counted.count, Outage("spans", complaints))
    metric_post = MetricPost(points, otel.metrics_seconds, Outage("metrics", complaints))
    post.start()
    metric_post.start()
    try:
        yield post, counted
    finally:
        for each in (post, metric_post, spans, points):
            each.close()


def installed() -> ModuleType:
    """Return the module that imports the SDK.

    Raises:
        Misconfigured: the packages of the extra are not installed.
    """
    try:
        from scorer.otel import exporters  # noqa: PLC0415  only where it is on, since it takes memory and time
    except ModuleNotFoundError as error:
        what = f"needs the package {error.name}, which is not installed"
        raise Misconfigured([Problem("otel.endpoint", what, "pip install 'scorer[otel]'")]) from error
    return exporters
