"""Chooses the requests of `scorer serve` to trace, and records what the export thread needs for a span of each."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import perf_counter

from scorer.kafka import TRACEPARENT

HEADER_LENGTH = 55  # of a `traceparent` of version 00
SAMPLED = frozenset("13579bdf")  # the last digit of its flags, where the caller records the trace


@dataclass(frozen=True, slots=True)
class Answered:
    """A traced request, once it is answered.

    method: its HTTP method.
    route:  its path, with placeholders for what varies.
    status: the status of the response.
    parent: its `traceparent`; empty if it has none.
    began, ended: when it came and when it was answered, in seconds of `perf_counter`.
    """

    method: str
    route: str
    status: int
    parent: str
    began: float
    ended: float

    @property
    def spans(self) -> int:
        """The number of its spans."""
        return 1


class Requests:
    """Passes traced requests on; used on the event loop.

    If a request has a `traceparent`, its sampled flag decides whether it is traced. Others are sampled at random.

    Args:
        sample: the share, from 0 to 1, of requests without a `traceparent` that are traced.
        send: receives each traced request.
        draw: returns a random number in [0, 1).
    """

    def __init__(
        self, sample: float, send: Callable[[Answered], None], draw: Callable[[], float] = random.random
    ) -> None:
        self._sample, self._send, self._draw = sample, send, draw

    def answered(self, method: str, route: str, headers: Mapping[str, str], status: int, began: float) -> None:
        """Pass a request on if it is traced.

        Args:
            method: its HTTP method.
            route: its path, with placeholders for what varies.
            headers: its headers, by their names in lower case.
            status: the status of the response.
            began: when the request came, in seconds of `perf_counter`.
        """
        parent = headers.get(TRACEPARENT, "")
        if (len(parent) == HEADER_LENGTH and parent[-1] in SAMPLED) if parent else self._draw() < self._sample:
            self._send(Answered(method, route, status, parent, began, perf_counter()))
