"""The W3C trace headers of an event, which its prediction carries on."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, cast

from scorer.batch import Records
from scorer.kafka.headers import Headers, headers_of

if TYPE_CHECKING:
    from confluent_kafka import Message

TRACEPARENT, TRACESTATE = "traceparent", "tracestate"
MOST_BYTES = 512  # of a value; longer ones are not carried on, so that predictions stay small

Carried = Sequence[Headers]  # the headers of each row of a batch; empty for a row without a trace
Carry = Callable[[Records], Carried | None]  # returns the headers of the predictions of a batch; None without any


def nothing_carried(records: Records) -> None:
    """Return None: predictions have no headers."""


def trace_headers(records: Records) -> list[Headers]:
    """Return the trace headers of each record, byte for byte and unparsed."""
    return [_of_trace(headers_of(cast("Message", each))) for each in records.originals]


def _of_trace(headers: Headers) -> Headers:
    if not headers:
        return headers
    found = {name: value for name, value in headers if name in _NAMES and value and len(value) <= MOST_BYTES}
    return tuple(found.items())  # one of each name: a record may have 100,000 headers


_NAMES = frozenset({TRACEPARENT, TRACESTATE})
