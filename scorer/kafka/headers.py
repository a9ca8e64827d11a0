"""Headers of records, whose names need not be UTF-8."""

import gc
from collections.abc import Callable
from operator import methodcaller
from typing import cast

from confluent_kafka import Message

Headers = tuple[tuple[str, bytes | None], ...]
_Header = tuple[str, str | bytes | None]  # as the client's types have it

MOST_HEADERS = 100_000  # of a record; of one with more librdkafka gives none
UNKNOWN_NAME = r"\x.."
# The interpreter does not see the client's failure where it has come to call the method directly, as it does in code
# that runs often: the exception would then be raised by whatever runs next.
_ask = methodcaller("headers")


def headers_of(message: Message) -> Headers:
    r"""Return the headers of a record.

    A name that is not UTF-8 has `\xff` for such a byte: the client can neither give nor take it as it is, and of
    several it lets only the first be known. Nothing else may ask the message for its headers: the client fails at such
    a name, and asked again it gives out tuples without a first item, which crash the process that looks at it.
    """
    try:
        return tuple(cast("Headers", _ask(message) or ()))
    except SystemError as error:  # "returned a result with an exception set"
        headers = _repaired(_ask(message), _first_name(error))
        message.set_headers(headers)
        return tuple(cast("list[tuple[str, bytes | None]]", headers))


def header_reader(name: str) -> Callable[[object], bytes | None]:
    """Return what reads one header of a record, of several of that name the last; None where there is none.

    The record is a message of the client's, or anything that has `headers`.
    """

    def read(original: object) -> bytes | None:
        headers = headers_of(original) if isinstance(original, Message) else getattr(original, "headers", ())
        return next((value for each, value in reversed(headers) if each == name), None)

    return read


def _repaired(broken: list[_Header], first: str) -> list[_Header]:
    repaired: list[_Header] = []
    for pair in broken:
        parts = gc.get_referents(pair)  # leaves out an item that is not there
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
