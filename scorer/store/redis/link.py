"""Non-blocking connections to Redis servers, and the exchange of requests and replies on several at once."""

import math
import secrets
import select
import socket
import ssl
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import cast

import numpy as np
from numpy.typing import NDArray
from redis.connection import AbstractConnection

from scorer.errors import Unavailable
from scorer.store.redis.bounds import SHOWN, Malformed
from scorer.store.redis.handshake import explained
from scorer.store.redis.resp import BARE, ERROR, Cells, Inbox
from scorer.store.redis.resp_tree import Tree, TreeInbox

PROOF = b"*2\r\n$4\r\nPING\r\n$32\r\n%b\r\n"  # the server sends the text back, as below
PROVEN = b"$32\r\n%b\r\n"
WIDTH_OF_PROOF = np.array([BARE])
LONG = 10  # a reply that keeps arriving may take this many times the timeout
LONGEST_SECONDS = 10.0  # but not longer than this, unless the timeout itself is longer


class Closed(Unavailable):
    """The connection is unusable: the server closed it, or sent bytes without a request."""


class Deadline:
    """The deadline of one call, which is extended while a reply arrives.

    A long reply does not mean that the server is down, and a retry would start it from the beginning. So the timeout
    limits how long the server may be silent, and ten times the timeout limits the whole call.

    text: the timeout and its setting, for messages.
    """

    __slots__ = ("_end", "_last", "_seconds", "text")

    def __init__(self, seconds: float, text: str) -> None:
        now = time.monotonic()
        self._seconds, self.text = seconds, text
        self._end, self._last = now + seconds, now + max(seconds, min(LONG * seconds, LONGEST_SECONDS))

    @classmethod
    def after(cls, milliseconds: int) -> "Deadline":
        """Return the deadline of a call that begins now."""
        return cls(milliseconds / 1000, f"{milliseconds} ms (features.timeout_ms)")

    def left(self) -> float:
        """Return how many seconds are left, at least 0."""
        return max(0.0, self._end - time.monotonic())

    def renew(self) -> None:
        """Restart the timeout, since bytes have arrived."""
        self._end = min(self._last, time.monotonic() + self._seconds)

    def share(self, parts: int) -> "Deadline":
        """Return an earlier deadline that leaves the same time to each of several parts."""
        return Deadline(self.left() / parts, f"its share of {self.text}")


class Link:
    """A non-blocking connection.

    name: the server's name for messages.
    user: our user name at the server.
    """

    __slots__ = (
        *("_asked", "_complete", "_connection", "_events", "_expected", "_inbox", "_proof", "_proves", "_socket"),
        *("_unsent", "name", "user"),
    )

    def __init__(self, connection: AbstractConnection, name: str, user: str = "default") -> None:
        self._connection, self._socket = connection, _socket_of(connection)
        self._socket.setblocking(False)  # noqa: FBT003  the socket's own signature
        self._inbox, self._unsent, self._events = Inbox(), memoryview(b""), 0
        self._expected: Inbox | TreeInbox = self._inbox
        self._proof, self._proves, self._asked = b"", True, secrets.randbits(64)
        self._complete = False  # whether the last request has its replies
        self.name, self.user = name, user

    def ask(self, request: Iterable[bytes], widths: NDArray[np.int64], most: int = 0, *, proof: bool = False) -> None:
        """Queue a request without sending it.

        Args:
            request: commands, which are joined here once, since those of a batch may be long.
            widths: see `Inbox.expect`.
            most: the same.
            proof: whether to append a command whose reply proves that the replies are those to this request.

        Raises:
            Closed: bytes arrived without a request, which would be taken for the reply.
        """
        self._refuse_unasked()
        self._proof, self._complete = b"", False
        if proof and self._proves:
            self._asked += 1
            self._proof = b"%032x" % self._asked
            request, widths = (*request, PROOF % self._proof), np.concatenate((widths, WIDTH_OF_PROOF))
        self._unsent = memoryview(b"".join(request))
        self._inbox.expect(widths, most)
        self._expected = self._inbox

    def ask_anything(self, request: bytes) -> None:
        """Queue one command whose reply may have any shape."""
        self._refuse_unasked()
        self._unsent, self._expected, self._proof = memoryview(request), TreeInbox(), b""
        self._complete = False

    @property
    def descriptor(self) -> int:
        """The descriptor of its socket."""
        return self._socket.fileno()

    @property
    def cells(self) -> Cells:
        """The values of the replies; valid until the next `ask`."""
        return self._inbox.cells[:-1] if self._proof else self._inbox.cells

    @property
    def reply(self) -> Tree:
        """The reply to `ask_anything`."""
        return self._expected.reply if isinstance(self._expected, TreeInbox) else None

    def advance(self, deadline: Deadline) -> bool:
        """Send and receive without blocking; return whether all replies are complete.

        Raises:
            Closed:      the connection broke.
            Unavailable: the bytes received are not a reply.
        """
        if self._complete:
            return True
        self._events = select.POLLIN
        try:
            self._send()
            self._complete = self._receive(deadline)
        except Malformed as error:
            said, advice = f"{self.name} does not answer as Redis does", "check host, port and TLS of features.url"
            raise Unavailable(f"{said}, with {error}; {advice}", f"{said}; {advice}") from None
        except OSError as error:
            raise Closed(f"the connection to {self.name} broke: {explained(error)}") from None
        return self._complete

    def send(self) -> None:
        """Send what can be sent without blocking; `advance` sends the rest.

        Raises:
            Closed: the connection broke.
        """
        try:
            self._send()
        except OSError as error:
            raise Closed(f"the connection to {self.name} broke: {explained(error)}") from None

    def watch(self, poll: select.poll) -> None:
        """Register the events that this link waits for."""
        poll.register(self._socket, self._events)

    def close(self) -> None:
        """Close the connection; replies that are still on their way are lost."""
        self._connection.disconnect()  # type: ignore[no-untyped-call]  # redis-py's gap

    def _refuse_unasked(self) -> None:
        unasked = self._waiting()
        if unasked is not None:
            closed = f"the connection to {self.name} is closed: the server"
            if not unasked:
                raise Closed(f"{closed} closed it")
            sent = Malformed.with_bytes(unasked)
            raise Closed(f"{closed} sent {sent} without a request", f"{closed} sent bytes without a request")

    def _waiting(self) -> bytes | None:
        """Return bytes that arrived but were not read: None if there are none, b"" if the connection was closed."""
        try:
            return self._socket.recv(4 * SHOWN)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None
        except OSError as error:
            raise Closed(f"the connection to {self.name} broke: {explained(error)}") from None

    def _send(self) -> None:
        while self._unsent:
            try:
                sent = self._socket.send(self._unsent)
            except (BlockingIOError, ssl.SSLWantWriteError):
                self._events |= select.POLLOUT
                return
            except ssl.SSLWantReadError:
                return
            except ConnectionError:
                self._unsent = memoryview(b"")  # the server may have sent an error, which is still to be read
                return
            self._unsent = self._unsent[sent:]

    def _receive(self, deadline: Deadline) -> bool:
        while deadline.left():
            try:
                count = self._socket.recv_into(self._expected.room())
            except (BlockingIOError, ssl.SSLWantReadError):
                return False
            except ssl.SSLWantWriteError:
                self._events |= select.POLLOUT
                return False
            if count == 0:
                raise ConnectionResetError(self._expected.complaint or "the server closed it")
            deadline.renew()
            if self._expected.received(count):
                if self._proof and self._inbox.ends_with(PROVEN % self._proof):
                    return True  # these are our replies; what follows them is noticed by the next request
                self._check_proof()
                return self._nothing_more()
        return False

    def _check_proof(self) -> None:
        """Make sure that no surplus reply came first: it would shift all replies by one."""
        if not self._proof:
            return
        cells = self._inbox.cells[-1:]
        start = int(cells.marks[1, 0])
        if cells.kinds[0] == ERROR:  # this user may not PING, and each try would be logged by the server
            self._proves = False
        elif cells.text(0).encode() != self._proof and cells.data[start - 1] != ord("+"):  # proxies answer +PONG to all
            raise Closed(f"the connection to {self.name} is closed: the server sent a surplus reply")

    def _nothing_more(self) -> bool:
        """Make sure that nothing follows the reply: otherwise replies may not belong to our requests."""
        with suppress(Closed):  # the reply is complete; the next request will notice
            if more := self._waiting():
                raise Malformed.with_bytes(more)
        return True


def _socket_of(connection: AbstractConnection) -> socket.socket:
    """Return the socket of a connection, for which redis-py has no public API."""
    return cast("socket.socket", connection._get_socket())  # noqa: SLF001  see above


def exchange(links: Sequence[Link], deadline: Deadline) -> None:
    """Send the requests of all links and wait for all replies, reading while writing so that neither side blocks.

    After an error the links must be closed: replies may still be on their way.

    Raises:
        Closed:      a connection broke.
        Unavailable: a reply did not come in time, or is malformed.
    """
    waiting = list(links)
    while waiting := [link for link in waiting if not link.advance(deadline)]:
        if not deadline.left():
            raise Unavailable(f"{', '.join(link.name for link in waiting)} did not answer within {deadline.text}")
        poll = select.poll()
        for link in waiting:
            link.watch(poll)
        poll.poll(math.ceil(deadline.left() * 1000))
