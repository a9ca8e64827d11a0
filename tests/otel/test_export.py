"""Spans and metrics at a real OTLP receiver, and a receiver that is away, slow or broken."""

import logging
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from structlog.testing import capture_logs

from scorer import __version__
from scorer.errors import Misconfigured
from scorer.monitor import Metrics
from scorer.otel import exporting, sending
from scorer.otel.sending import WAITING, Complaints, Outage, SpanPost
from scorer.otel.traced import Traced
from scorer.otel.tracing import Tracing
from scorer.settings import KafkaSettings, OtelSettings
from tests.forks import forked
from tests.kafka.conftest import settings as kafka_settings
from tests.otel.batches import EVENTS_SPAN, EVENTS_TRACE, TRACEPARENT, batch
from tests.otel.receiver import PATIENCE_SECONDS, Receiver, attributes

OTHER = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"


def kafka() -> KafkaSettings:
    return kafka_settings("nowhere:9092").model_copy(update={"group_id": "delays", "instance_id": "replica-0"})


@contextmanager
def exported(endpoint: str | None, metrics: Metrics | None = None, **settings: object) -> Iterator[Tracing]:
    """Trace every batch."""
    otel = OtelSettings.model_validate({"endpoint": endpoint, "sample": 1.0, **settings})
    with exporting(otel, kafka(), metrics or Metrics()) as tracing:
        assert tracing is not None
        yield tracing


def score(tracing: Tracing, metrics: Metrics, *headers: list[tuple[str, bytes | None]]) -> None:
    """Take a batch through a loop, which ends before its writes are acknowledged."""
    records, outcome = batch(*headers)
    for stage in ("consume", "decode", "score"):
        with metrics.stages.stage(stage):
            time.perf_counter()
    tracing.scored(outcome)
    tracing.carry(records)
    metrics.iteration_ended(records)
    tracing.iteration_ended(records)
    tracing.written(records, outcome, ())


def until(holds: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def results(metrics: Metrics) -> dict[str, float | None]:
    return {
        result: metrics.registry.get_sample_value("scorer_spans_total", {"result": result})
        for result in ("exported", "dropped")
    }


def test_a_batch_becomes_a_span_with_its_stages_and_links_to_the_traces_of_its_events() -> None:
    metrics, before = Metrics(), time.time_ns()
    with Receiver() as receiver, exported(receiver.endpoint, metrics) as tracing:
        broken = ("traceparent", b"no trace")
        score(
            tracing, metrics, [("traceparent", TRACEPARENT)], [("traceparent", OTHER), ("tracestate", b"a=1")], [broken]
        )
        receiver.until(lambda: len(receiver.spans) == 5, "spans")
    (span,) = receiver.batches()
    assert span.name == "process flights"
    assert span.kind == Span.SPAN_KIND_CONSUMER
    told = attributes(span.attributes)
    assert told["messaging.system"] == "kafka"
    assert told["messaging.consumer.group.name"] == "delays"
    assert told["messaging.batch.message_count"] == 3
    assert told["scorer.versions"] == ["7", "8"]
    assert told["scorer.dead_letters"] == 0
    assert [(link.trace_id.hex(), link.span_id.hex()) for link in span.links] == [
        (EVENTS_TRACE, EVENTS_SPAN),
        (OTHER[3:35].decode(), OTHER[36:52].decode()),
    ]
    stages = receiver.stages(span)
    assert [each.name for each in stages] == ["consume", "decode", "score", "acknowledge"]
    assert {each.trace_id for each in stages} == {span.trace_id}
    times = [at for each in stages for at in (each.start_time_unix_nano, each.end_time_unix_nano)]
    assert before <= span.start_time_unix_nano <= min(times)
    assert sorted(times) == times
    assert times[-1] <= span.end_time_unix_nano <= time.time_ns()
    assert (
        receiver.resources[0].items()
        >= {
            "service.name": "scorer",
            "service.version": __version__,
            "service.instance.id": "replica-0",
        }.items()
    )
    assert results(metrics) == {"exported": 5, "dropped": 0}


def test_the_span_has_the_ids_that_predictions_were_written_with() -> None:
    metrics = Metrics()
    with Receiver() as receiver, exported(receiver.endpoint, metrics) as tracing:
        headers = set()
        for _ in range(3):
            records, outcome = batch([])
            tracing.scored(outcome)
            carried = tracing.carry(records)
            assert carried is not None
            ((_, header),) = carried[0]
            headers.add((header or b"").decode())
            with metrics.stages.stage("publish"):
                time.perf_counter()
            tracing.iteration_ended(records)
            tracing.written(records, outcome, ())
        receiver.until(lambda: len(receiver.batches()) == 3, "batches")
    assert {f"00-{span.trace_id.hex()}-{span.span_id.hex()}-01" for span in receiver.batches()} == headers


def test_secrets_and_names_reach_the_receiver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
    metrics = Metrics()
    with Receiver() as receiver:
        chosen = {"headers": "authorization=Bearer%20t,x-team=a", "service_name": "delays"}
        with exported(f"{receiver.endpoint}/", metrics, **chosen) as tracing:
            score(tracing, metrics, [])
        assert receiver.spans
        assert receiver.metrics
    assert {(each["authorization"], each["x-team"]) for each in receiver.headers} == {("Bearer t", "a")}
    assert {(each["service.name"], each["deployment.environment.name"]) for each in receiver.resources} == {
        ("delays", "test")
    }


def test_the_name_of_the_service_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "by-variable")
    with Receiver() as receiver:
        with exported(receiver.endpoint):
            pass
        assert [each["service.name"] for each in receiver.resources] == ["by-variable"]


def test_a_receiver_that_is_away_costs_spans_that_are_counted_and_the_log_says_so_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    metrics, batches = Metrics(), 2 * WAITING
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with capture_logs() as logs, exported(f"http://127.0.0.1:{unused.getsockname()[1]}", metrics) as tracing:
            for _ in range(batches):  # far more than fit, while the first export is tried again and again
                score(tracing, metrics, [])
            dropped = results(metrics)["dropped"]
            assert dropped is not None
            assert 0 < dropped < batches * 5
            until(lambda: results(metrics)["dropped"] == batches * 5)
    assert results(metrics)["exported"] == 0
    (told,) = [each for each in logs if each.get("what") == "spans"]
    assert told["event"] == "exports over OTLP fail; scoring continues"
    assert told["reason"]
    assert not logging.getLogger("opentelemetry").propagate


def test_spans_for_which_there_is_no_room_are_dropped_at_once_and_counted() -> None:
    counted: list[tuple[str, int]] = []
    post = SpanPost(lambda _: True, lambda *what: counted.append(what), Outage("spans", Complaints()))
    traced = Traced(1, 1, {}, laps=[("decode", 1.0, 2.0)], ended=3.0, written=4.0)

    def fill() -> None:
        for _ in range(WAITING + 2):
            post.send(traced)

    loop = threading.Thread(target=fill, daemon=True)
    loop.start()
    loop.join(10)
    assert not loop.is_alive()
    assert counted == [("dropped", 3)] * 2


def test_nobody_waits_for_a_receiver_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "3600")
    monkeypatch.setattr(sending, "JOIN_SECONDS", 0.1)
    metrics = Metrics()
    with Receiver() as receiver:
        receiver.answers.clear()
        with exported(receiver.endpoint, metrics) as tracing:
            score(tracing, metrics, [])
            receiver.until(lambda: receiver.spans, "span")
            for _ in range(3 * WAITING):
                score(tracing, metrics, [])
            assert results(metrics)["exported"] == 0
            assert results(metrics)["dropped"]
        assert not receiver.answers.is_set()
        receiver.answers.set()


def test_a_receiver_that_refuses_is_told_once_and_so_is_its_return() -> None:
    metrics = Metrics()
    with Receiver(status=400) as receiver, capture_logs() as logs:
        with exported(receiver.endpoint, metrics) as tracing:
            for number in range(1, 4):
                score(tracing, metrics, [])
                receiver.until(lambda: len(receiver.batches()) == number, "batch")  # noqa: B023  called at once
            until(lambda: results(metrics)["dropped"] == 15)
            receiver._status = 200
            score(tracing, metrics, [])
        assert results(metrics) == {"exported": 5, "dropped": 15}
    told = [(each["event"], each["log_level"]) for each in logs if each.get("what") == "spans"]
    failed, recovered = "exports over OTLP fail; scoring continues", "exports over OTLP succeed again"
    assert told == [(failed, "warning"), (recovered, "info")]
    assert "400" in next(each["reason"] for each in logs if each.get("reason"))


def test_a_redirect_is_not_followed() -> None:
    metrics = Metrics()
    with Receiver() as other, Receiver(307, f"{other.endpoint}/v1/traces") as receiver:
        with exported(receiver.endpoint, metrics, headers="authorization=secret") as tracing:
            score(tracing, metrics, [])
            receiver.until(lambda: len(receiver.spans) == 5, "spans")
        assert other.headers == []
    assert results(metrics) == {"exported": 0, "dropped": 5}


@pytest.mark.parametrize("of", ["setting", "variable"])
def test_a_login_that_cannot_be_sent_is_not_logged(monkeypatch: pytest.MonkeyPatch, of: str) -> None:
    metrics, login = Metrics(), "authorization=Bearer%20top%0Asecret"
    if of == "variable":
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", login)
    with (
        capture_logs() as logs,
        exported("http://127.0.0.1:9", metrics, headers=login if of == "setting" else "") as it,
    ):
        score(it, metrics, [])
        until(lambda: results(metrics)["dropped"] == 5)
        until(lambda: any(each.get("what") == "spans" for each in logs))
    assert "a value in otel.headers has a line break" in str(logs)
    assert "secret" not in str(logs)


OFF = """
import sys
from scorer.errors import Misconfigured
from scorer.monitor import Metrics
from scorer.otel import exporting
from scorer.settings import OtelSettings
with exporting(OtelSettings(), None, Metrics()) as tracing:
    assert tracing is None
found = {"scorer.otel.exporters", "opentelemetry.exporter", "opentelemetry.sdk.trace"} & sys.modules.keys()
assert not found, found  # redis itself imports `opentelemetry.sdk.metrics` where it is installed
"""


def test_where_it_is_off_nothing_of_it_is_imported() -> None:
    process = forked(OFF, {})
    process.join()
    assert process.exitcode == 0


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("exporters", "points", "spans"):
        monkeypatch.delitem(sys.modules, f"scorer.otel.{name}", raising=False)
        monkeypatch.delattr(f"scorer.otel.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(Misconfigured) as refused, exported("http://127.0.0.1:4318"):
        pass
    what = "needs the package opentelemetry.sdk.trace, which is not installed"
    assert str(refused.value) == f"otel.endpoint: {what}; pip install 'scorer[otel]'"
