"""A histogram that can observe a whole array at once, unlike prometheus_client's."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate
from operator import add
from threading import Lock

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from scorer.arrays.kernel import Floats, Ints, entry


class Series:
    """The observations of one label value: how many fell into each bucket, and their sum."""

    __slots__ = ("_bounds", "_counts", "_edges", "_lock", "_sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds, self._edges = bounds, np.array(bounds, np.float64)
        self._counts = [0] * (len(bounds) + 1)  # a list: one item is counted in a fifth of the time
        self._sum = 0.0
        self._lock = Lock()

    def observe(self, value: float) -> None:
        """Count one observation."""
        with self._lock:
            self._counts[bisect_left(self._bounds, value)] += 1
            self._sum += value

    def observe_all(self, values: NDArray[np.float64]) -> None:
        """Count every observation of an array [observations]."""
        counts = np.zeros(len(self._counts), np.int64)
        total = count(values, self._edges, counts)
        with self._lock:
            self._counts = [*map(add, self._counts, counts.tolist())]
            self._sum += total

    def read(self) -> tuple[list[int], float]:
        """Return the number of observations at or below each bound, then of all, and their sum."""
        with self._lock:
            return [*accumulate(self._counts)], self._sum


@entry
def count(values: Floats, bounds: Floats, counts: Ints) -> float:
    """Count values by bucket, and return their sum; each search starts at the bucket of the previous value.

    Args:
        values: float64 [observations].
        bounds: float64 [bounds], the upper bounds of all buckets but the last, ascending.
        counts: int64 [bounds + 1], incremented in place.
    """
    total, bucket = 0.0, 0
    for value in values:
        while bucket > 0 and value <= bounds[bucket - 1]:
            bucket -= 1
        while bucket < len(bounds) and value > bounds[bucket]:
            bucket += 1
        counts[bucket] += 1
        total += value
    return total


class Histogram(Collector):
    """A Prometheus histogram with at most one label.

    Args:
        name: the metric's name.
        documentation: the metric's help text.
        bounds: the upper bounds of the buckets, ascending, without +Inf.
        registry: the registry to join; None if another collector passes this metric on.
        label: the label's name, or empty for a single series.
    """

    def __init__(
        self,
        name: str,
        documentation: str,
        bounds: Sequence[float],
        registry: CollectorRegistry | None = None,
        label: str = "",
    ) -> None:
        self._name = name
        self._documentation = documentation
        self._label = label
        self._bounds = tuple(bounds)
        self._les = [*map(floatToGoString, bounds), "+Inf"]
        self._series: dict[str, Series] = {}
        if registry is not None:
            registry.register(self)

    def series(self, value: str = "") -> Series:
        """Return the series of one label value, which is created at the first call."""
        found = self._series.get(value)
        return found if found is not None else self._series.setdefault(value, Series(self._bounds))

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """Yield the metric for prometheus_client."""
        family = HistogramMetricFamily(self._name, self._documentation, labels=[self._label] if self._label else [])
        for value, series in list(self._series.items()):
            counts, total = series.read()
            family.add_metric([value] if self._label else [], list(zip(self._les, counts, strict=True)), total)
        yield family
