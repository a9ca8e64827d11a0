"""Looks at keys that no plan names yet: a bounded number of them, of their fields, and of bytes."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from scorer.plan.feast import join_keys_in
from scorer.store.redis.talk import ELSEWHERE, Refused, Talk, talks
from scorer.store.redis.url import parse

MOST_KEYS = 20_000  # keys that a search looks at
MOST_KEY_BYTES = 1_000  # longer keys are skipped
MOST_FIELDS = 200  # hashes with more fields are skipped
LONGEST_NUMBER = 64  # bytes: a longer value is no number, and is not fetched
SEARCH_SECONDS, LOOK_SECONDS = 5.0, 10.0
_SCANNED = 1_000  # keys that the server scans in one step
_TOGETHER = 500  # strings that are read in one step
_SILENT = ("NOPERM", *ELSEWHERE)  # errors of a single key, which is then skipped


@dataclass(frozen=True, slots=True)
class Stored:
    """The contents of a key.

    kind:   its type, as TYPE names it.
    size:   the bytes of a string; 0 for other types.
    fields: for a hash, the text of each field, or None where it is too long for a number.
    """

    kind: str
    size: int = 0
    fields: dict[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Search:
    """The result of a search.

    keys:    some keys, as text.
    opaque:  how many keys are not UTF-8 or too long.
    feast:   some keys that are in the form of Feast's; neither of the others.
    total:   how many keys there are.
    refused: why the server does not allow the search; empty if it does.
    """

    keys: tuple[str, ...]
    opaque: int = 0
    feast: tuple[bytes, ...] = ()
    total: int = 0
    refused: str = ""

    @property
    def seen(self) -> int:
        """How many keys were looked at."""
        return len(self.keys) + self.opaque + len(self.feast)


class Explorer:
    """Reads keys of the servers that hold features; writes nothing.

    Args:
        servers: a connection to each of them.
    """

    def __init__(self, servers: Sequence[Talk]) -> None:
        self._servers = servers
        self._home: dict[bytes, Talk] = {}  # by key: the server that holds it

    def search(self) -> Search:
        """Return some keys, which SCAN finds in no particular order.

        Raises:
            Unavailable: a server does not answer.
        """
        keys, opaque, feast, total = list[str](), 0, list[bytes](), 0
        try:
            for server in self._servers:
                total += server.number(b"DBSIZE")
        except Refused:
            total = 0  # the user may not call DBSIZE, which nothing else needs
        try:
            for key in self._scanned():
                text = _text(key)
                if join_keys_in(key) is not None:
                    feast.append(key)
                elif text is None:
                    opaque += 1
                else:
                    keys.append(text)
        except Refused as error:
            return Search((), total=total, refused=str(error))
        return Search(tuple(keys), opaque, tuple(feast), total)

    def look(self, keys: Sequence[str]) -> dict[str, Stored]:
        """Return the contents of some keys, as far as the time allows; keys that may not be read are left out.

        Raises:
            Unavailable: a server does not answer.
        """
        end, found = time.monotonic() + LOOK_SECONDS, dict[str, Stored]()
        for key in keys:
            if time.monotonic() > end:
                break
            raw = key.encode()
            try:
                stored = _stored(self._home[raw], raw)
            except Refused as error:
                if not error.text.startswith(_SILENT):
                    raise
                continue
            if stored is not None:
                found[key] = stored
        return found

    def existing(self, keys: Sequence[bytes]) -> int | None:
        """Return how many of some different keys exist; None if the server does not tell.

        Raises:
            Unavailable: a server does not answer.
        """
        try:
            if len(self._servers) == 1:
                return self._servers[0].number(b"EXISTS", *keys)
            return sum(any(_exists(server, key) for server in self._servers) for key in keys)
        except Refused:
            return None

    def strings(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the strings at some keys, as far as the time allows and the server tells; None for others.

        Raises:
            Unavailable: a server does not answer.
        """
        end, found = time.monotonic() + LOOK_SECONDS, list[bytes | None]()
        together = _TOGETHER if len(self._servers) == 1 else 1
        for first in range(0, len(keys), together):
            some = keys[first : first + together]
            found += self._texts(some[0], b"MGET", *some, count=len(some), end=end)
        return found

    def hashes(self, keys: Sequence[bytes], names: Sequence[bytes]) -> list[list[bytes | None]]:
        """Return some fields of the hashes at some keys; None as for `strings`, which also has the errors."""
        end = time.monotonic() + LOOK_SECONDS
        return [self._texts(key, b"HMGET", key, *names, count=len(names), end=end) for key in keys]

    def names(self, key: bytes) -> list[bytes]:
        """Return the names of the fields of a hash; none if it is no hash, or has too many; errors as for `strings`."""
        server = self._server(key)
        try:
            if server is None or server.number(b"HLEN", key) > MOST_FIELDS:
                return []
            return [name for name in server.texts(b"HKEYS", key) if name is not None]
        except Refused:
            return []

    def _texts(self, home: bytes, *command: bytes, count: int, end: float) -> list[bytes | None]:
        server = self._server(home)
        if server is None or time.monotonic() > end:
            return [None] * count
        try:
            return server.texts(*command, count=count)
        except Refused:
            return [None] * count

    def _server(self, key: bytes) -> Talk | None:
        """Return the server of a key; of several, None if none of them had it when it was searched."""
        return self._servers[0] if len(self._servers) == 1 else self._home.get(key)

    def _scanned(self) -> Iterator[bytes]:
        for server in self._servers:
            end, cursor, seen = time.monotonic() + SEARCH_SECONDS / len(self._servers), b"", set[bytes]()
            most = max(1, MOST_KEYS // len(self._servers))
            while cursor != b"0" and len(seen) < most and time.monotonic() < end:
                cursor, some = server.scan(cursor or b"0", b"*", _SCANNED)
                for key in some:
                    if key not in seen and len(seen) < most:
                        seen.add(key)
                        self._home[key] = server
                        yield key


@contextmanager
def exploring(url: str, timeout_ms: int) -> Iterator[Explorer]:
    """Connect to the servers of a URL, and disconnect at the end.

    Args:
        url:        as `features.url`.
        timeout_ms: the timeout of each reply.

    Raises:
        Misconfigured: the URL is wrong.
        Unavailable:   a server does not answer.
    """
    with talks(parse(url), timeout_ms) as servers:
        yield Explorer(servers)


def _text(key: bytes) -> str | None:
    if len(key) > MOST_KEY_BYTES:
        return None
    try:
        return key.decode()
    except UnicodeDecodeError:
        return None


def _exists(server: Talk, key: bytes) -> bool:
    """Whether a node of a cluster has a key; one that belongs to another node is not there."""
    try:
        return server.number(b"EXISTS", key) > 0
    except Refused as error:
        if error.text.startswith(ELSEWHERE):
            return False
        raise


def _stored(server: Talk, key: bytes) -> Stored | None:
    """Return the contents of a key; None if it is gone, or has too many fields."""
    kind = server.text(b"TYPE", key).decode(errors="replace")
    if kind == "string":
        return Stored(kind, server.number(b"STRLEN", key))
    if kind != "hash":
        return None if kind == "none" else Stored(kind)
    if server.number(b"HLEN", key) > MOST_FIELDS:
        return Stored(kind)
    names = [name for name in server.texts(b"HKEYS", key) if name is not None]
    short = [name for name in names if server.number(b"HSTRLEN", key, name) <= LONGEST_NUMBER]
    values = server.texts(b"HMGET", key, *short, count=len(short)) if short else []
    texts = {name: None if value is None else _text(value) for name, value in zip(short, values, strict=True)}
    return Stored(kind, fields={text: texts.get(name) for name in names if (text := _text(name)) is not None})
