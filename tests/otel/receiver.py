"""An OTLP receiver over HTTP: it reads what it is sent with the messages of the protocol's own package."""

import gzip
import threading
from collections.abc import Iterable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

if TYPE_CHECKING:
    from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

PATIENCE_SECONDS = 60.0


class Receiver:
    """Receives spans and metrics on a free port.

    Args:
        status: of each response.
        location: where a redirect leads.

    Attributes:
        answers: whether requests are answered; while it is not set, they wait.
        spans: those that came, in order.
        metrics: those of the last export, by name.
        resources: the attributes of each request's resource.
        headers: of each request, with names in lower case.
    """

    def __init__(self, status: int = 200, location: str = "") -> None:
        self.spans: list[Span] = []
        self.metrics: dict[str, Metric] = {}
        self.resources: list[dict[str, object]] = []
        self.headers: list[dict[str, str]] = []
        self.answers = threading.Event()
        self.answers.set()
        self._status, self._location, self._changed = status, location, threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def until(self, holds: Any, what: str) -> None:
        """Wait until a condition holds."""
        with self._changed:
            assert self._changed.wait_for(holds, PATIENCE_SECONDS), f"no {what}"

    def batches(self) -> list[Span]:
        """The spans of batches, which have no parent."""
        return [span for span in self.spans if not span.parent_span_id]

    def stages(self, batch: Span) -> list[Span]:
        """The spans within that of a batch."""
        return [span for span in self.spans if span.parent_span_id == batch.span_id]

    def _take(self, path: str, headers: Mapping[str, str], body: bytes) -> None:
        with self._changed:
            self.headers.append({name.lower(): value for name, value in headers.items()})
            if path.endswith("/v1/traces"):
                for group in ExportTraceServiceRequest.FromString(body).resource_spans:
                    self.resources.append(attributes(group.resource.attributes))
                    self.spans += [span for scope in group.scope_spans for span in scope.spans]
            elif path.endswith("/v1/metrics"):
                for of in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                    self.resources.append(attributes(of.resource.attributes))
                    self.metrics = {metric.name: metric for scope in of.scope_metrics for metric in scope.metrics}
            self._changed.notify_all()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                packed = self.headers.get("Content-Encoding") == "gzip"
                receiver._take(self.path, dict(self.headers), gzip.decompress(body) if packed else body)
                receiver.answers.wait(PATIENCE_SECONDS)
                self.send_response(receiver._status)
                if receiver._location:
                    self.send_header("Location", receiver._location)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler


def attributes(pairs: Iterable[KeyValue]) -> dict[str, object]:
    """Return attributes as plain values."""
    found: dict[str, object] = {}
    for pair in pairs:
        kind = pair.value.WhichOneof("value")
        value = getattr(pair.value, str(kind))
        found[pair.key] = [each.string_value for each in value.values] if kind == "array_value" else value
    return found
