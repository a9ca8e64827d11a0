"""Observability of a replica: metrics, health, logs, and the HTTP server for metrics and health."""

from scorer.monitor.access import Access, access_of, guards, token_of, unauthorised
from scorer.monitor.drift_metrics import DriftMetrics
from scorer.monitor.health import Health
from scorer.monitor.logs import Outages, log_to_stderr
from scorer.monitor.logs import configure as configure_logging
from scorer.monitor.metrics import Metrics
from scorer.monitor.pages import Pages
from scorer.monitor.server import Server
from scorer.monitor.serving import serve
from scorer.monitor.stages import Lap, Stages
from scorer.monitor.standstill import watched
from scorer.monitor.watch import Component, Observer, Watch

__all__ = [
    "Access",
    "Component",
    "DriftMetrics",
    "Health",
    "Lap",
    "Metrics",
    "Observer",
    "Outages",
    "Pages",
    "Server",
    "Stages",
    "Watch",
    "access_of",
    "configure_logging",
    "guards",
    "log_to_stderr",
    "serve",
    "token_of",
    "unauthorised",
    "watched",
]
