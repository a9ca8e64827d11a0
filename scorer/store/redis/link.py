"""Questions to Redis servers and their answers, on connections of ours."""

import math
import secrets
import select
import socket
import ssl
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import cast

import numpy as np
from numpy.typing import NDArray
from redis.connection import AbstractConnection

from scorer.errors import Unavailable
from scorer.redaction import foreign
from scorer.store.redis.bounds import SHOWN, Malformed
from scorer.store.redis.resp import BARE, ERROR, Cells, Inbox
from scorer.store.redis.resp_tree import Tree, TreeInbox

PROOF = b"*2\r\n$4\r\nPING\r\n$32\r\n"  # and a text that the server sends back
WIDTH_OF_PROOF = np.array([BARE])
LONG = 10  # times its limit, that an answer may take which keeps arriving
LONGEST_SECONDS = 10.0  # of that, where the limit itself is not longer


class Closed(Unavailable):
    """The connection is of no more use: the other side closed it, or sent what nobody asked for."""


class Deadline:
    """The end of the time that one call may take, which moves on while an answer arrives.

    A long answer is no sign of a server that is away, and asking again would only ask for it from its beginning. So
    the time is that of silence, and ten times that in all.

    text: how long that is, and where it is set.
    """

    __slots__ = ("_end", "_last", "_seconds", "text")

    def __init__(self, seconds: float, text: str) -> None:
        now = time.monotonic()
        self._seconds, self.text = seconds, text
        self._end, self._last = now + seconds, now + max(seconds, min(LONG * seconds, LONGEST_SECONDS))

    @classmethod
    def after(cls, milliseconds: int) -> "Deadline":
        """Return the end of a call that begins now."""
        return cls(milliseconds / 1000, f"{milliseconds} ms (features.timeout_ms)")

    def left(self) -> float:
        """Return how many seconds are left, not below 0."""
        return max(0.0, self._end - time.monotonic())

    def renew(self) -> None:
        """Begin the time anew, since something has arrived."""
        self._end = min(self._last, time.monotonic() + self._seconds)

    def share(self, parts: int) -> "Deadline":
        """Return an earlier end that leaves as much time to each of some parts."""
        return Deadline(self.left() / parts, f"its share of {self.text}")


class Link:
    """A connection without blocking calls.

    name: the server in a text.
    user: whom it knows us as.
    """

    __slots__ = (
        *("_asked", "_connection", "_events", "_expected", "_inbox", "_proof", "_proves", "_socket", "_unsent"),
        *("name", "user"),
    )

    def __init__(self, connection: AbstractConnection, name: str, user: str = "default") -> None:
        self._connection, self._socket = connection, _socket_of(connection)
        self._socket.setblocking(False)  # noqa: FBT003  the socket's own signature
        self._inbox, self._unsent, self._events = Inbox(), memoryview(b""), 0
        self._expected: Inbox | TreeInbox = self._inbox
        self._proof, self._proves, self._asked = b"", True, secrets.randbits(64)
        self.name, self.user = name, user

    def ask(self, request: bytes, widths: NDArray[np.int64], most: int = 0, *, proof: bool = False) -> None:
        """Take a request, not yet to be sent, and what `Inbox.expect` takes.

        Args:
            request: commands.
            widths: see `Inbox.expect`.
            most: the same.
            proof: whether to have it proved that the answers are those to this request, by one more command behind it.

        Raises:
            Closed: something arrived that nobody asked for, and would be taken for the answer.
        """
        self._refuse_unasked()
        self._proof = b""
        if proof and self._proves:
            self._asked += 1
            self._proof = b"%032x" % self._asked
            request, widths = request + PROOF + self._proof + b"\r\n", np.concatenate((widths, WIDTH_OF_PROOF))
        self._unsent = memoryview(request)
        self._inbox.expect(widths, most)
        self._expected = self._inbox

    def ask_anything(self, request: bytes) -> None:
        """The same for one question whose answer may have any shape."""
        self._refuse_unasked()
        self._unsent, self._expected, self._proof = memoryview(request), TreeInbox(), b""

    @property
    def cells(self) -> Cells:
        """What was answered; good until the next `ask`."""
        return self._inbox.cells[:-1] if self._proof else self._inbox.cells

    @property
    def reply(self) -> Tree:
        """What was answered to `ask_anything`."""
        return self._expected.reply if isinstance(self._expected, TreeInbox) else None

    def advance(self, deadline: Deadline) -> bool:
        """Send and receive what can be without waiting; return whether all replies are there.

        Raises:
            Closed:      the connection is gone.
            Unavailable: what arrived is no reply.
        """
        self._events = select.POLLIN
        try:
            self._send()
            return self._receive(deadline)
        except Malformed as error:
            raise Unavailable(
                f"{self.name} does not answer as Redis does, with {error}; check host, port and TLS of features.url"
            ) from None
        except OSError as error:
            raise Closed(f"the connection to {self.name} broke: {foreign(str(error))}") from None

    def watch(self, poll: select.poll) -> None:
        """Register what this link waits for."""
        poll.register(self._socket, self._events)

    def close(self) -> None:
        """Close it; answers still on their way reach nobody."""
        self._connection.disconnect()  # type: ignore[no-untyped-call]  # redis-py's gap

    def _refuse_unasked(self) -> None:
        unasked = self._waiting()
        if unasked is not None:
            what = f"sent {Malformed.with_bytes(unasked)}, which nobody asked for" if unasked else "closed it"
            raise Closed(f"the connection to {self.name} is closed: the server {what}")

    def _waiting(self) -> bytes | None:
        """Return what has arrived and was not received yet: nothing is b"" at the end of the connection, else None."""
        try:
            return self._socket.recv(4 * SHOWN)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None
        except OSError as error:
            raise Closed(f"the connection to {self.name} broke: {foreign(str(error))}") from None

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
                self._unsent = memoryview(b"")  # it may have said why, which is still to be received
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
                self._check_proof()
                return self._nothing_more()
        return False

    def _check_proof(self) -> None:
        """Make sure that no reply came before the answers that nobody asked for: all would be taken for another's."""
        if not self._proof:
            return
        cells = self._inbox.cells[-1:]
        start = int(cells.marks[1, 0])
        if cells.kinds[0] == ERROR:  # this user may not PING, and each try would be logged by the server
            self._proves = False
        elif cells.text(0).encode() != self._proof and cells.data[start - 1] != ord("+"):  # proxies answer +PONG to all
            raise Closed(f"the connection to {self.name} is closed: the server sent a reply which nobody asked for")

    def _nothing_more(self) -> bool:
        """Make sure that nothing came behind the answer: then one before it may have been another's."""
        with suppress(Closed):  # the answer is whole; the next question will find out
            if more := self._waiting():
                raise Malformed.with_bytes(more)
        return True


def _socket_of(connection: AbstractConnection) -> socket.socket:
    """Return the socket of a connection: the one thing that redis-py does not give publicly."""
    return cast("socket.socket", connection._get_socket())  # noqa: SLF001  see above


def exchange(links: Sequence[Link], deadline: Deadline) -> None:
    """Send what each link was asked and wait for all answers, reading while writing so that no side blocks the other.

    After an error the links must be closed: answers may still be on their way.

    Raises:
        Closed:      a connection is gone.
        Unavailable: an answer did not come in time, or is none.
    """
    waiting = list(links)
    while waiting := [link for link in waiting if not link.advance(deadline)]:
        if not deadline.left():
            raise Unavailable(f"{', '.join(link.name for link in waiting)} did not answer within {deadline.text}")
        poll = select.poll()
        for link in waiting:
            link.watch(poll)
        poll.poll(math.ceil(deadline.left() * 1000))
