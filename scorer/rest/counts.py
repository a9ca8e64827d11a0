"""The metrics of HTTP requests, beside those of scoring."""

from prometheus_client import CollectorRegistry, Counter, Gauge

from scorer.monitor.histogram import Histogram, Series

SECONDS = (*(step * 10.0**power for power in range(-4, 1) for step in (1, 2, 5)), 10.0)  # 100 us to 10 s


class Counts:
    """Counts requests; used on the event loop.

    Args:
        registry: the server's metrics registry.

    Attributes:
        under_way: how many requests have no response yet.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        # Requests by the dialect of their route and the status of their response.
        self._requests = Counter("scorer_http_requests", "HTTP requests", ["dialect", "status"], registry=registry)
        # From the first line of a request to its response, queueing included.
        self._seconds = Histogram("scorer_http_request_seconds", "Seconds of a request", SECONDS, registry, "dialect")
        # Requests without a response yet.
        waiting = Gauge("scorer_http_requests_under_way", "HTTP requests under way", registry=registry)
        waiting.set_function(lambda: self.under_way)
        self.under_way = 0
        self._known: dict[tuple[str, int], tuple[Counter, Series]] = {}

    def answered(self, dialect: str, status: int, seconds: float) -> None:
        """Count a response."""
        known = self._known.get((dialect, status))
        if known is None:
            known = self._requests.labels(dialect, str(status)), self._seconds.series(dialect)
            self._known[dialect, status] = known
        counter, series = known
        counter.inc()
        series.observe(seconds)
