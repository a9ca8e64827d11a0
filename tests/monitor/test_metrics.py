import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics_parser

from scorer.batch import Found, Lookup, Reason, Rejected
from scorer.monitor import Metrics
from scorer.monitor.metrics import END_TO_END_SECONDS
from tests.monitor.batches import batch

Sample = tuple[str, frozenset[tuple[str, str]]]


def samples(metrics: Metrics) -> dict[Sample, float]:
    """Return what a Prometheus server would store, with its own parser."""
    text, content_type = metrics.render("application/openmetrics-text;version=1.0.0,text/plain;q=0.3")
    assert content_type.startswith("application/openmetrics-text")
    families = openmetrics_parser.text_string_to_metric_families(text.decode())  # type: ignore[no-untyped-call]
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def value(metrics: Metrics, name: str, **labels: str) -> float:
    return samples(metrics)[name, frozenset(labels.items())]


def test_every_known_series_starts_at_zero() -> None:
    found = samples(Metrics(entities=["plane"]))
    expected = {
        *(("scorer_records_total", "outcome", outcome) for outcome in ("predicted", "dead_letter")),
        *(("scorer_rejected_total", "reason", reason.value) for reason in Reason),
        *(("scorer_commits_total", "result", result) for result in ("ok", "failed", "not_owner")),
        *(("scorer_rebalances_total", "kind", kind) for kind in ("assigned", "revoked", "lost")),
    }
    assert {key: found[key[0], frozenset({key[1:]})] for key in expected} == dict.fromkeys(expected, 0.0)
    for result in ("hit", "missing", "stale", "invalid", "unavailable"):
        assert found["scorer_features_total", frozenset({("entity", "plane"), ("result", result)})] == 0
    for name in ("scorer_batch_records", "scorer_batch_bytes", "scorer_end_to_end_seconds"):
        assert found[f"{name}_count", frozenset()] == found[f"{name}_sum", frozenset()] == 0
    assert found["scorer_in_flight_batches", frozenset()] == 0
    assert found["scorer_last_commit_timestamp_seconds", frozenset()] == 0
    assert found["process_cpu_seconds_total", frozenset()] > 0
    assert not any(name.endswith("_created") for name, _ in found)


def test_acknowledged_records_are_counted_by_outcome_and_reason() -> None:
    metrics = Metrics()
    metrics.acknowledged(7, [Rejected(1, Reason.TRUNCATED, ""), Rejected(3, Reason.TRUNCATED, "")])
    metrics.acknowledged(1, [Rejected(0, Reason.NO_FEATURES, "")])
    assert value(metrics, "scorer_records_total", outcome="predicted") == 8
    assert value(metrics, "scorer_records_total", outcome="dead_letter") == 3
    assert value(metrics, "scorer_rejected_total", reason="truncated") == 2
    assert value(metrics, "scorer_rejected_total", reason="no-features") == 1


def test_lookups_are_counted_by_entity_and_result() -> None:
    metrics = Metrics(["plane", "weather"])
    counts = np.zeros((2, len(Lookup)), np.int64)
    counts[0, Lookup.HIT], counts[1, Lookup.STALE] = 5, 4
    metrics.lookups(counts)
    metrics.lookups(counts)
    assert value(metrics, "scorer_features_total", entity="plane", result="hit") == 10
    assert value(metrics, "scorer_features_total", entity="weather", result="stale") == 8
    assert value(metrics, "scorer_features_total", entity="weather", result="hit") == 0


def test_keys_are_counted_by_cache_hit_or_miss() -> None:
    metrics = Metrics(["plane", "weather"])
    nothing = np.zeros(0, np.int32), np.zeros((0, 1)), np.zeros((0, 1), np.bool_), np.zeros(0, np.uint8)
    for reused in (2, 0):
        metrics.reused([Found("plane", *nothing, [b"a", b"b", b"c"], reused), Found("weather", *nothing, [b"d"])])
    assert value(metrics, "scorer_feature_cache_total", entity="plane", result="hit") == 2
    assert value(metrics, "scorer_feature_cache_total", entity="plane", result="miss") == 4
    assert value(metrics, "scorer_feature_cache_total", entity="weather", result="hit") == 0
    assert value(metrics, "scorer_feature_cache_total", entity="weather", result="miss") == 0


def test_only_a_successful_commit_updates_the_last_commit_time() -> None:
    metrics = Metrics(clock=lambda: 1234.5)
    metrics.committed("failed")
    metrics.committed("not_owner")
    assert value(metrics, "scorer_last_commit_timestamp_seconds") == 0
    metrics.committed("ok")
    assert value(metrics, "scorer_last_commit_timestamp_seconds") == 1234.5
    assert [value(metrics, "scorer_commits_total", result=r) for r in ("ok", "failed", "not_owner")] == [1, 1, 1]


def test_the_lag_of_a_revoked_partition_is_forgotten() -> None:
    metrics = Metrics()
    metrics.lag("flights", 0, 10)
    metrics.lag("flights", 1, 20)
    metrics.forget("flights", 0)
    metrics.forget("flights", 7)
    lags = {labels: lag for (name, labels), lag in samples(metrics).items() if name == "scorer_lag_records"}
    assert lags == {frozenset({("topic", "flights"), ("partition", "1")}): 20}


def test_an_arm_shows_only_the_version_that_it_serves_now() -> None:
    metrics = Metrics()
    metrics.model("delays", "9", "champion", compiled=True)
    metrics.model("delays", "10", "champion", compiled=False)
    shown = [dict(labels) for name, labels in samples(metrics) if name == "scorer_model_info"]
    assert shown == [{"model": "delays", "version": "10", "arm": "champion"}]
    assert value(metrics, "scorer_model_compiled", arm="champion") == 0


def test_gauges_and_rebalances_are_recorded() -> None:
    metrics = Metrics()
    metrics.in_flight(3)
    metrics.rebalance("lost")
    assert value(metrics, "scorer_in_flight_batches") == 3
    assert value(metrics, "scorer_rebalances_total", kind="lost") == 1


def test_a_batch_is_observed_in_records_and_bytes() -> None:
    metrics = Metrics()
    metrics.iteration_ended(batch(500, size=100_000))
    metrics.iteration_ended(None)
    assert value(metrics, "scorer_batch_records_bucket", le="200.0") == 0
    assert value(metrics, "scorer_batch_records_bucket", le="500.0") == 1
    assert value(metrics, "scorer_batch_records_count") == 1
    assert value(metrics, "scorer_batch_bytes_sum") == 100_000


@given(st.lists(st.lists(st.floats(-5, 1000) | st.sampled_from(END_TO_END_SECONDS), max_size=20), max_size=4))
def test_a_vectorised_histogram_counts_like_single_observations(batches: list[list[float]]) -> None:
    metrics = Metrics()
    for seconds in batches:
        metrics.end_to_end(np.array(seconds))
    seen = [max(second, 0.0) for seconds in batches for second in seconds]
    found = samples(metrics)
    for bound in (*END_TO_END_SECONDS, float("inf")):
        le = "+Inf" if bound == float("inf") else str(bound)
        expected = sum(second <= bound for second in seen)
        assert found["scorer_end_to_end_seconds_bucket", frozenset({("le", le)})] == expected
    assert found["scorer_end_to_end_seconds_sum", frozenset()] == pytest.approx(sum(seen))


@pytest.mark.parametrize("accept", ["", "*/*", "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.3"])
def test_openmetrics_is_the_default_format(accept: str) -> None:
    text, content_type = Metrics().render(accept)
    assert text.endswith(b"# EOF\n")
    assert content_type == "application/openmetrics-text; version=1.0.0; charset=utf-8"


@pytest.mark.parametrize("accept", ["text/plain", "text/html,application/xhtml+xml,*/*;q=0.8"])
def test_the_older_format_is_rendered_for_clients_that_accept_only_text(accept: str) -> None:
    text, content_type = Metrics().render(accept)
    names = {
        sample.name for family in parser.text_string_to_metric_families(text.decode()) for sample in family.samples
    }
    assert content_type.startswith("text/plain")
    assert {"scorer_records_total", "scorer_rejected_total", "scorer_batch_records_bucket"} <= names
