"""The headers of what a consumer delivered, which the client cannot always give."""

from collections.abc import MutableSequence, Sequence
from typing import cast

from confluent_kafka import Message

Headers = Sequence[tuple[str, bytes | None]]
MOST_HEADERS = 100_000  # of a record; of one with more librdkafka gives none


class Headless:
    """A record whose headers the client cannot give. Asked again, it would return a list with no object in it."""

    def __init__(self, message: Message) -> None:
        self._message = message

    def __getattr__(self, name: str) -> object:
        """Return everything else as the client gave it."""
        return getattr(self._message, name)


def headers_of(messages: Sequence[object], row: int) -> Headers | None:
    """Return the headers of a record, None where a name is not UTF-8, which the client cannot read.

    Such a record is replaced in the sequence, so that nobody asks it again.
    """
    record = messages[row]
    if isinstance(record, Headless):
        return None
    try:
        return cast("Headers", cast("Message", record).headers() or ())
    except (SystemError, UnicodeError):
        cast("MutableSequence[object]", messages)[row] = Headless(cast("Message", record))
        return None
