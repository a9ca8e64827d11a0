"""Reads headers of records, whose names may not be UTF-8."""

import gc
from collections.abc import Callable
from operator import methodcaller
from typing import cast

from confluent_kafka import Message

Headers = tuple[tuple[str, bytes | None], ...]
_Header = tuple[str, str | bytes | None]  # a header in the client's types

MOST_HEADERS = 100_000  # librdkafka returns no headers of a record with more than these
UNKNOWN_NAME = r"\x.."
# In code that runs often, the interpreter calls the method directly and does not notice the client's failure: the
# exception would then be raised by the next operation. `methodcaller` prevents that.
_ask = methodcaller("headers")


def headers_of(message: Message) -> Headers:
    r"""Return the headers of a record.

    In a name that is not UTF-8, an invalid byte becomes `\xff`: the client can neither return nor take such a name, and
    reveals only the first of several. No other code may ask a message for its headers: the client fails at such a name,
    and the next call returns tuples without a first item, which crash the process that reads it.
    """
    try:
        return tuple(_ask(message) or ())
    except SystemError as error:  # "returned a result with an exception set"
        headers = _repaired(_ask(message), _first_name(error))
        message.set_headers(headers)
        return tuple(cast("list[tuple[str, bytes | None]]", headers))


def header_reader(name: str) -> Callable[[object], bytes | None]:
    """Return a function that reads one header of a record: the last of that name, or None if there is none.

    The record is a message of the client, or any object with a method `headers`.
    """

    def read(original: object) -> bytes | None:
        headers = headers_of(original) if isinstance(original, Message) else getattr(original, "headers", ())
        return next((value for each, value in reversed(headers) if each == name), None)

    return read


def _repaired(broken: list[_Header], first: str) -> list[_Header]:
    repaired: list[_Header] = []
    for pair in broken:
        parts = gc.get_referents(pair)  # skips a missing item
        if len(parts) == len(pair):
            repaired.append(pair)
        else:
            repaired.append((first, parts[0]))
            first = UNKNOWN_NAME
    return repaired


def _first_name(error: BaseException | None) -> str:
    while error is not None:
        if isinstance(error, UnicodeDecodeError):
            return error.object.decode(errors="backslashreplace")
        error = error.__cause__
    return UNKNOWN_NAME
