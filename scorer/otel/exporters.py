"""Creates the exporters of the SDK, and the resource that says which replica they serve."""

import os
from collections.abc import Mapping

import requests
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.util.re import parse_env_headers
from prometheus_client import CollectorRegistry

from scorer import __version__
from scorer.otel.points import MetricExport
from scorer.otel.spans import SpanExport
from scorer.settings import OtelSettings


def resource_of(otel: OtelSettings, instance: str) -> Resource:
    """Return the resource of a replica's spans and metrics; OTEL_RESOURCE_ATTRIBUTES adds to it."""
    name = otel.service_name or os.environ.get("OTEL_SERVICE_NAME") or "scorer"
    return Resource.create({"service.name": name, "service.version": __version__, "service.instance.id": instance})


def span_export(otel: OtelSettings, resource: Resource) -> SpanExport:
    """Return the exporter of spans."""
    address = f"{str(otel.endpoint).rstrip('/')}/v1/traces"
    return SpanExport(OTLPSpanExporter(address, headers=_headers(otel), session=_session()), resource)


def metric_export(otel: OtelSettings, resource: Resource, registry: CollectorRegistry) -> MetricExport:
    """Return the exporter of metrics."""
    address = f"{str(otel.endpoint).rstrip('/')}/v1/metrics"
    return MetricExport(OTLPMetricExporter(address, headers=_headers(otel), session=_session()), resource, registry)


def _headers(otel: OtelSettings) -> Mapping[str, str] | None:
    return parse_env_headers(otel.headers, liberal=True) if otel.headers else None


class _Session(requests.Session):
    """A session whose errors show no header: they have logins, and the SDK logs every error."""

    def prepare_request(self, request: requests.Request) -> requests.PreparedRequest:
        try:
            return super().prepare_request(request)
        except requests.exceptions.InvalidHeader:
            what = "a value in otel.headers has a line break, or begins with a space, when it is decoded"
            raise requests.exceptions.InvalidHeader(what) from None


def _session() -> requests.Session:
    """Return a session for which a redirect is an error: the SDK follows none, and counts it as a success."""
    session = _Session()
    session.hooks["response"].append(_refuse_redirect)
    return session


def _refuse_redirect(response: requests.Response, **_: object) -> None:
    if response.is_redirect:
        raise requests.TooManyRedirects(f"{response.status_code}: redirects are not followed", response=response)
