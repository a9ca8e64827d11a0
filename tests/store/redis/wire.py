"""A fake Redis of Python values that replies in bytes, so that the real decoder reads its replies."""

from collections.abc import Mapping, Sequence

from scorer.store.protocol import Reply, Request
from scorer.store.redis.layouts import commands_of, read
from scorer.store.redis.layouts.hash import fields_asked
from scorer.store.redis.resp import Inbox
from tests.store.reachable import Reachable

Value = Mapping[str, bytes] | bytes | None  # a hash, a string, or nothing
WRONG_TYPE = b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"


class Wire(Reachable):
    """A store of values by key.

    data:    what it holds now.
    asked:   the keys of each round trip.
    """

    def __init__(self, data: dict[bytes, Value]) -> None:
        self.data = data
        self.asked: list[list[bytes]] = []

    def fetch(self, requests: Sequence[Request], now: float) -> list[Reply]:
        self.asked.append([key for request in requests for key in request.keys])
        self.ping()
        return [self._reply(request, now) for request in requests]

    def _reply(self, request: Request, now: float) -> Reply:
        _, widths = commands_of(request, singly=True)
        arrived = b"".join(self._answer(request, key) for key in request.keys)
        inbox = Inbox()
        inbox.expect(widths)
        inbox.room()[: len(arrived)] = arrived
        assert inbox.received(len(arrived))
        return read(request, inbox.cells, now)

    def _answer(self, request: Request, key: bytes) -> bytes:
        value = self.data.get(key)
        if request.entity.layout == "packed":
            return WRONG_TYPE if isinstance(value, Mapping) else bulk(value)
        if isinstance(value, bytes):
            return WRONG_TYPE
        return array(*((value or {}).get(field) for field in fields_asked(request.entity)))


def bulk(text: bytes | None) -> bytes:
    """A text as a reply."""
    return b"$-1\r\n" if text is None else b"$%d\r\n%b\r\n" % (len(text), text)


def array(*texts: bytes | None) -> bytes:
    """Texts as one reply."""
    return b"*%d\r\n" % len(texts) + b"".join(map(bulk, texts))
