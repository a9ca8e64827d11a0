"""Spans of requests at a real OTLP receiver."""

from pathlib import Path

from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.otel.batches import EVENTS_SPAN, EVENTS_TRACE, TRACEPARENT
from tests.otel.receiver import Receiver, attributes
from tests.rest.served import Served, ask
from tests.rest.test_server import GOLDEN, NOTHING


def test_a_request_continues_the_trace_of_its_caller(flights_config: Path, tmp_path: Path) -> None:
    variables = {"SCORER_OTEL__SAMPLE": "0", "SCORER_OTEL__SERVICE_NAME": "asked"}
    golden = GOLDEN[0]
    event = golden["event"] | {"features": NOTHING | golden["features"]}
    with Receiver() as receiver:
        with Served(flights_config, tmp_path / "log", SCORER_OTEL__ENDPOINT=receiver.endpoint, **variables) as server:
            connection = server.connect()
            assert ask(connection, "/score", [event]).status == 200
            assert ask(connection, "/live", traceparent=TRACEPARENT.decode()).status == 200
            assert ask(connection, "/score", [event], traceparent=TRACEPARENT.decode()).status == 200
            assert ask(connection, "/score", [golden["event"]], traceparent=TRACEPARENT.decode()).status == 503
            receiver.until(lambda: len(receiver.spans) >= 2, "spans")
        spans = receiver.spans
    assert [span.name for span in spans] == ["POST /score"] * 2
    for span, status in zip(spans, (200, 503), strict=True):
        assert span.kind == Span.SPAN_KIND_SERVER
        assert (span.trace_id.hex(), span.parent_span_id.hex()) == (EVENTS_TRACE, EVENTS_SPAN)
        assert span.start_time_unix_nano < span.end_time_unix_nano
        assert span.status.code == (Status.STATUS_CODE_ERROR if status == 503 else Status.STATUS_CODE_UNSET)
        assert attributes(span.attributes) == {
            "http.request.method": "POST",
            "http.route": "/score",
            "http.response.status_code": status,
        }
    assert receiver.resources[0]["service.name"] == "asked"
