"""Observability of a replica: metrics, health, logs, and the HTTP server for metrics and health."""

from scorer.monitor.access import Access, access_of, guards
from scorer.monitor.health import Health
from scorer.monitor.logs import Outages, log_to_stderr
from scorer.monitor.logs import configure as configure_logging
from scorer.monitor.metrics import Metrics
from scorer.monitor.server import Server, serve
from scorer.monitor.standstill import watched
from scorer.monitor.watch import Component, Observer, Watch

__all__ = [
    "Access",
    "Component",
    "Health",
    "Metrics",
    "Observer",
    "Outages",
    "Server",
    "Watch",
    "access_of",
    "configure_logging",
    "guards",
    "log_to_stderr",
    "serve",
    "watched",
]
