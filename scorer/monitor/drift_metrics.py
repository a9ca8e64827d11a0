"""The metrics of drift, which are those of the whole group."""

from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, Gauge


class DriftMetrics:
    """What the last window of the group was like, the same on every replica.

    Args:
        registry: the metrics registry.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        # Of the last window, for each column and output.
        self.psi = Gauge("scorer_drift_psi", "PSI of the last window", ["column"], registry=registry)
        # Its limit, which follows from the false alarms that are accepted.
        self.limit = Gauge("scorer_drift_limit", "Limit of PSI", ["column"], registry=registry)
        # 1 while so many of the last windows were above the limit.
        self.alarm = Gauge("scorer_drift_alarm", "1 if the column drifts", ["column"], registry=registry)
        # Shares of the last window.
        self.missing = Gauge("scorer_missing_ratio", "Share of missing values", ["column"], registry=registry)
        self.unknown = Gauge(
            "scorer_unknown_category_ratio", "Share of unknown categories", ["column"], registry=registry
        )
        # Of the last window, between the bounds of the baseline's bins.
        self.score = Gauge("scorer_score_quantile", "Quantiles of scores", ["arm", "quantile"], registry=registry)
        # Windows of the group that ended, since its log begins.
        self.windows = Gauge("scorer_drift_windows", "Windows that ended", registry=registry)
        # Offsets that nobody counted, since a replica was killed before it could tell.
        self.uncounted = Gauge("scorer_drift_uncounted_offsets", "Offsets that nobody counted", registry=registry)
        self._by_column = (self.psi, self.limit, self.alarm, self.missing, self.unknown)

    def window(self, number: int, columns: Mapping[str, tuple[float, float, float, float, float]]) -> None:
        """Show a window.

        Args:
            number: counts windows.
            columns: by name: PSI, its limit, 1 for an alarm, the share missing and the share unknown.
        """
        self.windows.set(number)
        for gauge in self._by_column:
            gauge.clear()
        for name, values in columns.items():
            for gauge, value in zip(self._by_column, values, strict=True):
                gauge.labels(name).set(value)

    def scores(self, quantiles: Iterable[tuple[str, str, float]]) -> None:
        """Show quantiles of scores, each with the name of its arm and of the quantile."""
        self.score.clear()
        for arm, name, value in quantiles:
            self.score.labels(arm, name).set(value)
