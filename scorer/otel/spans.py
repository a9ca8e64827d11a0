"""Makes spans for traced batches and requests, and exports them over OTLP."""

import time
from collections.abc import Callable, Sequence
from http import HTTPStatus
from time import perf_counter_ns

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import Link, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from scorer import __version__
from scorer.kafka import TRACEPARENT
from scorer.otel.answered import Answered
from scorer.otel.traced import TOPIC, Traced

AHEAD = "scorer.next_batch"  # of a stage that worked on the batch after the traced one


class SpanExport:
    """Exports traced batches and requests. It belongs to one thread.

    Args:
        exporter: sends spans.
        resource: says which replica they come from.
    """

    def __init__(self, exporter: SpanExporter, resource: Resource) -> None:
        self._exporter, self._ids, self._ended = exporter, _Ids(), _Ended()
        provider = TracerProvider(ALWAYS_ON, resource, shutdown_on_exit=False, id_generator=self._ids)
        provider.add_span_processor(self._ended)
        self._tracer = provider.get_tracer("scorer", __version__)
        self._propagator = TraceContextTextMapPropagator()

    def __call__(self, noted: Sequence[Traced | Answered]) -> bool:
        """Export some batches or requests; return whether the receiver accepted them."""
        epoch = time.time_ns() - perf_counter_ns()

        def at(seconds: float) -> int:
            return epoch + int(seconds * 1e9)

        for each in noted:
            if isinstance(each, Traced):
                self._make(each, at)
            else:
                self._make_request(each, at)
        spans = self._ended.take()
        return self._exporter.export(spans) is SpanExportResult.SUCCESS

    def close(self) -> None:
        """Cancel a request in flight."""
        self._exporter.shutdown()

    def _make(self, traced: Traced, at: Callable[[float], int]) -> None:
        stages = list(traced.stages())
        topic = traced.attributes.get(TOPIC)
        self._ids.next = traced.trace_id, traced.span_id
        batch = self._tracer.start_span(
            f"process {topic}" if topic else "process",
            Context(),
            SpanKind.CONSUMER,
            {**traced.attributes, "scorer.dead_letters": traced.rejected},
            [*filter(None, map(self._link, traced.links))],
            at(stages[0][0][1]),
        )
        within = trace.set_span_in_context(batch, Context())
        for (stage, began, ended), ahead in stages:
            attributes = {AHEAD: True} if ahead else None
            self._tracer.start_span(stage, within, attributes=attributes, start_time=at(began)).end(at(ended))
        batch.end(at(max(traced.ended, traced.written)))

    def _make_request(self, answered: Answered, at: Callable[[float], int]) -> None:
        attributes: dict[str, str | int] = {
            "http.request.method": answered.method,
            "http.route": answered.route,
            "http.response.status_code": answered.status,
        }
        name, parent = f"{answered.method} {answered.route}", self._propagated(answered.parent)
        span = self._tracer.start_span(
            name, parent, SpanKind.SERVER, attributes=attributes, start_time=at(answered.began)
        )
        if answered.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            span.set_status(StatusCode.ERROR)
        span.end(at(answered.ended))

    def _propagated(self, traceparent: str) -> Context:
        return self._propagator.extract({TRACEPARENT: traceparent} if traceparent else {}, Context())

    def _link(self, traceparent: str) -> Link | None:
        """Return a link to where an event was written, if its header is a valid one."""
        context = trace.get_current_span(self._propagated(traceparent)).get_span_context()
        return Link(context) if context.is_valid else None


class _Ids(RandomIdGenerator):
    """Gives a batch's span the ids that predictions were written with, and the others random ones."""

    def __init__(self) -> None:
        self.next: tuple[int, int] | None = None

    def generate_trace_id(self) -> int:
        return self.next[0] if self.next else super().generate_trace_id()

    def generate_span_id(self) -> int:
        given, self.next = self.next, None
        return given[1] if given else super().generate_span_id()


class _Ended(SpanProcessor):
    """Collects the spans that have ended."""

    def __init__(self) -> None:
        self._spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        self._spans.append(span)

    def take(self) -> list[ReadableSpan]:
        spans, self._spans = self._spans, []
        return spans
