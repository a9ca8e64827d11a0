"""The headers that carry a trace from an event on to its prediction: those of the W3C."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, cast

from scorer.batch import Records
from scorer.kafka.headers import Headers, headers_of

if TYPE_CHECKING:
    from confluent_kafka import Message

TRACEPARENT, TRACESTATE = "traceparent", "tracestate"
MOST_BYTES = 512  # of a value; longer ones are not carried on, so that predictions stay small

Carried = Sequence[Headers]  # of each row of a batch; empty where there is nothing to carry
Carry = Callable[[Records], Carried | None]  # returns what the predictions of a batch carry; None if nothing


def nothing_carried(records: Records) -> None:
    """Return None: predictions have no headers."""


def trace_headers(records: Records) -> list[Headers]:
    """Return the headers of each record that carry a trace, byte for byte and without looking at what they say."""
    return [_of_trace(headers_of(cast("Message", each))) for each in records.originals]


def _of_trace(headers: Headers) -> Headers:
    if not headers:
        return headers
    found = {name: value for name, value in headers if name in _NAMES and value and len(value) <= MOST_BYTES}
    return tuple(found.items())  # one of each name: a record may have 100,000 headers


_NAMES = frozenset({TRACEPARENT, TRACESTATE})
