import re
from pathlib import Path

from prometheus_client import Metric

from scorer.batch import Lookup, Reason
from scorer.group.alerting import AlertMetrics
from scorer.labels.joining import QualityMetrics
from scorer.monitor import Metrics
from scorer.monitor.metrics import COMMIT_RESULTS, OUTCOMES, REBALANCE_KINDS
from scorer.monitor.stages import IDLE, OUTSIDE, REST, STAGES
from scorer.otel import SpanMetrics
from scorer.replica.capturing import CaptureMetrics
from scorer.rest.counts import Counts
from scorer.rest.publishing import PublishMetrics

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "operations.md").read_text()
ROW = re.compile(r"^\| `(scorer_\w+)` \|([^|]*)\| (\w+) \| (.*) \|$", re.MULTILINE)
SUFFIX = {"counter": "_total", "info": "_info"}


def families() -> list[Metric]:
    metrics = Metrics(["plane"])
    metrics.lag("flights", 0, 1)
    metrics.deleted("flights", 0, 1)
    metrics.model("delays", "1", "champion", compiled=True)
    Counts(metrics.registry).answered("own", 200, 0.1)
    AlertMetrics(metrics.registry)
    CaptureMetrics(metrics.registry)
    PublishMetrics(metrics.registry)
    SpanMetrics(metrics.registry)
    QualityMetrics(metrics.registry).show({("auc", "1", "champion"): 0.5})
    return [family for family in metrics._registry.collect() if family.name.startswith("scorer_")]


def test_the_table_has_every_metric_with_its_type_and_labels() -> None:
    documented = {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, labels, kind, _ in ROW.findall(PAGE)}
    real = {
        family.name + SUFFIX.get(family.type, ""): (
            family.type,
            {label for sample in family.samples for label in sample.labels} - {"le"},
        )
        for family in families()
    }
    assert documented == real


def test_every_label_value_is_documented() -> None:
    values = [*Reason, *OUTCOMES, *COMMIT_RESULTS, *REBALANCE_KINDS, *(lookup.name.lower() for lookup in Lookup)]
    values += [*STAGES, REST, IDLE, OUTSIDE]
    assert [value for value in values if f"`{value}`" not in PAGE] == []


def test_alerts_use_existing_metrics() -> None:
    asked = {re.sub(r"_(bucket|count|sum)$", "", name) for name in re.findall(r"\bscorer_\w+", PAGE)}
    assert asked <= {name for name, *_ in ROW.findall(PAGE)}


def test_every_reason_of_a_dead_letter_has_its_remedy() -> None:
    section = (DOCS / "troubleshooting.md").read_text().partition("## Dead letters")[2]
    assert re.findall(r"^\| `([a-z-]+)` \| .+ \| .+ \|$", section, re.MULTILINE) == [reason.value for reason in Reason]
