"""What a replica says of itself: metrics, health, logs, and the HTTP server that shows the first two."""

from scorer.monitor.health import Health
from scorer.monitor.logs import Outages, log_to_stderr
from scorer.monitor.logs import configure as configure_logging
from scorer.monitor.metrics import Metrics
from scorer.monitor.server import Server, serve
from scorer.monitor.standstill import watched

__all__ = ["Health", "Metrics", "Outages", "Server", "configure_logging", "log_to_stderr", "serve", "watched"]
