"""The metrics at a real OTLP receiver are those of /metrics."""

import math
import re
import threading

from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, Metric
from prometheus_client.parser import text_string_to_metric_families

from scorer.monitor import Metrics
from scorer.otel import exporting
from scorer.otel.sending import Complaints, MetricPost, Outage
from scorer.settings import OtelSettings
from tests.otel.batches import batch
from tests.otel.receiver import PATIENCE_SECONDS, Receiver, attributes
from tests.otel.test_export import kafka

Sample = tuple[str, frozenset[tuple[str, object]], float]


def samples(metric: Metric) -> set[Sample]:
    """What a backend that is like Prometheus makes of a metric."""
    kind = metric.WhichOneof("data")
    points = getattr(metric, str(kind)).data_points
    if kind != "histogram":
        end = "_total" if kind == "sum" else ""
        return {
            (metric.name + end, frozenset(attributes(point.attributes).items()), point.as_double) for point in points
        }
    found = set()
    for point in points:
        labels, total = frozenset(attributes(point.attributes).items()), 0
        for bound, count in zip([*point.explicit_bounds, math.inf], point.bucket_counts, strict=True):
            total += count
            found.add((f"{metric.name}_bucket", labels | {("le", bound)}, float(total)))
        found |= {(f"{metric.name}_count", labels, float(point.count)), (f"{metric.name}_sum", labels, point.sum)}
        assert total == point.count
        assert not point.HasField("min")
    return found


def exposed(metrics: Metrics) -> set[Sample]:
    """What /metrics shows."""
    text = metrics.render("text/plain")[0].decode()
    return {
        (
            sample.name,
            frozenset((name, float(value) if name == "le" else value) for name, value in sample.labels.items()),
            sample.value,
        )
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_every_sample_of_the_metrics_page_is_exported_with_its_value() -> None:
    metrics = Metrics(["plane"])
    metrics.model("delays", "1", "champion", compiled=True)
    metrics.lag("flights", 0, 17)
    with Receiver() as receiver, exporting(OtelSettings(endpoint=receiver.endpoint), kafka(), metrics):
        records, outcome = batch([], [], [], rejected=1)
        with metrics.stages.stage("decode"):
            pass
        metrics.acknowledged(2, outcome.rejected)
        metrics.iteration_ended(records)
        shown = exposed(metrics)
    received = {sample for metric in receiver.metrics.values() for sample in samples(metric)}
    of_process = re.compile("process_")  # which change meanwhile
    ours = {sample for sample in shown if not of_process.match(sample[0])}
    assert ours
    assert ours == {sample for sample in received if not of_process.match(sample[0])}
    assert {name for name, *_ in shown} == {name for name, *_ in received}


def test_units_and_temporality_are_those_of_the_protocol() -> None:
    metrics = Metrics()
    with Receiver() as receiver, exporting(OtelSettings(endpoint=receiver.endpoint), kafka(), metrics):
        pass
    assert receiver.metrics["scorer_stage_seconds"].unit == "s"
    assert receiver.metrics["scorer_batch_bytes"].unit == "By"
    assert receiver.metrics["scorer_records"].unit == ""
    cumulative = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
    records = receiver.metrics["scorer_records"].sum
    assert (records.aggregation_temporality, records.is_monotonic) == (cumulative, True)
    point = records.data_points[0]
    assert 0 < point.start_time_unix_nano < point.time_unix_nano
    assert receiver.metrics["scorer_batch_bytes"].histogram.aggregation_temporality == cumulative


def test_metrics_are_exported_now_and_then_and_at_the_end() -> None:
    came, exports = threading.Event(), list[int]()

    def export() -> bool:
        exports.append(1)
        if len(exports) == 3:
            came.set()
        return True

    post = MetricPost(export, 0.01, Outage("metrics", Complaints()))
    post.start()
    assert came.wait(PATIENCE_SECONDS)
    post.close()
    before = len(exports)
    late = MetricPost(export, 3_600, Outage("metrics", Complaints()))
    late.start()
    late.close()
    assert len(exports) == before + 1
