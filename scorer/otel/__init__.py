"""Traces and metrics over OTLP. While they are off, this room imports no `opentelemetry` and runs no code."""

from scorer.otel.answered import Requests
from scorer.otel.telemetry import SpanMetrics, exporting, exporting_requests, installed

__all__ = ["Requests", "SpanMetrics", "exporting", "exporting_requests", "installed"]
