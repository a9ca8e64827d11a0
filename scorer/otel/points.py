"""Exports the metrics of /metrics over OTLP: each family of the registry becomes one metric with the same labels."""

import time
from collections.abc import Iterable, Iterator, Mapping

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricExporter,
    MetricExportResult,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from prometheus_client import CollectorRegistry
from prometheus_client import Metric as Family
from prometheus_client.samples import Sample

from scorer import __version__

UNITS = {"_seconds": "s", "_bytes": "By"}  # by the end of a name, which stays: a backend does not append it again
CUMULATIVE = AggregationTemporality.CUMULATIVE
Labels = tuple[tuple[str, str], ...]


class MetricExport:
    """Exports the metrics of a registry.

    Args:
        exporter: sends metrics.
        resource: says which replica they come from.
        registry: has the metrics.
    """

    def __init__(self, exporter: MetricExporter, resource: Resource, registry: CollectorRegistry) -> None:
        self._exporter, self._resource, self._registry = exporter, resource, registry
        self._began = time.time_ns()

    def __call__(self) -> bool:
        """Export the current values; return whether the receiver accepted them."""
        metrics = list(metrics_of(self._registry.collect(), self._began, time.time_ns()))
        scope = ScopeMetrics(InstrumentationScope("scorer", __version__), metrics, "")
        data = MetricsData([ResourceMetrics(self._resource, [scope], "")])
        return self._exporter.export(data) is MetricExportResult.SUCCESS

    def close(self) -> None:
        """Cancel a request in flight."""
        self._exporter.shutdown()


def metrics_of(families: Iterable[Family], began: int, now: int) -> Iterator[Metric]:
    """Yield the metrics of OTLP for those of Prometheus.

    A counter loses its `_total`, which backends in the manner of Prometheus append again, so dashboards keep working.

    Args:
        families: the metric families of a registry.
        began: when counting began, in nanoseconds since the epoch.
        now: the same, for now.
    """
    for family in families:
        if not family.samples:
            continue
        unit = next((unit for end, unit in UNITS.items() if family.name.endswith(end)), "")
        if family.type == "counter":
            points = [_point(each, began, now) for each in family.samples if each.name == f"{family.name}_total"]
            yield Metric(family.name, family.documentation, unit, Sum(points, CUMULATIVE, is_monotonic=True))
        elif family.type == "histogram":
            buckets = [*_histograms(family, began, now)]
            yield Metric(family.name, family.documentation, unit, Histogram(buckets, CUMULATIVE))
        else:
            name = f"{family.name}_info" if family.type == "info" else family.name
            yield Metric(name, family.documentation, unit, Gauge([_point(each, now, now) for each in family.samples]))


def _point(sample: Sample, began: int, now: int) -> NumberDataPoint:
    return NumberDataPoint(dict(sample.labels), began, now, sample.value)


def _histograms(family: Family, began: int, now: int) -> Iterator[HistogramDataPoint]:
    cumulative: dict[Labels, list[tuple[float, int]]] = {}
    sums: dict[Labels, float] = {}
    for sample in family.samples:
        labels = _without_bound(sample.labels)
        if sample.name.endswith("_bucket"):
            cumulative.setdefault(labels, []).append((float(sample.labels["le"]), int(sample.value)))
        elif sample.name.endswith("_sum"):
            sums[labels] = sample.value
    for labels, buckets in cumulative.items():
        counts = [count for _, count in buckets]
        yield HistogramDataPoint(
            attributes=dict(labels),
            start_time_unix_nano=began,
            time_unix_nano=now,
            count=counts[-1],
            sum=sums.get(labels, 0.0),
            bucket_counts=[after - before for before, after in zip([0, *counts], counts, strict=False)],
            explicit_bounds=[bound for bound, _ in buckets[:-1]],
            min=None,  # type: ignore[arg-type]  # the protocol lets it be absent, and nobody knows it
            max=None,  # type: ignore[arg-type]  # the same
        )


def _without_bound(labels: Mapping[str, str]) -> Labels:
    return tuple((name, value) for name, value in labels.items() if name != "le")
