"""One connection to a Redis server: redis-py connects it, and then the bytes are ours."""

import math
import select
import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from redis import RedisError
from redis import TimeoutError as RedisTimeoutError
from redis.connection import AbstractConnection

from scorer.errors import Unavailable
from scorer.features.resp import Cells, Inbox, Malformed
from scorer.features.store_url import Address, Target

SHORTEST = 0.001  # seconds: redis-py takes 0 for "do not wait"
ADVICE = {
    "ASK": "it is a node of a cluster: begin features.url with redis+cluster",
    "CLUSTERDOWN": "the cluster serves no keys until every slot has a master: see CLUSTER INFO",
    "LOADING": "it reads its data from disk and will answer when that is done",
    "MASTERDOWN": "it lost its master and serves no stale data: see replica-serve-stale-data",
    "MOVED": "it is a node of a cluster: begin features.url with redis+cluster",
    "NOAUTH": "put the user name and the password into features.url",
    "NOPERM": "grant the user HMGET, MGET, GET and PING on the keys of the plan",
    "OOM": "it is out of memory: raise its maxmemory",
    "READONLY": "it is a replica: point features.url at the master",
    "TRYAGAIN": "slots of the cluster are moving: it will answer when that is done",
    "WRONGPASS": "correct the user name or the password in features.url",
}


class Closed(Unavailable):
    """The other side closed the connection."""


class Deadline:
    """The end of the time that one call may take.

    text: how long that is, and where it is set.
    """

    __slots__ = ("_end", "text")

    def __init__(self, seconds: float, text: str) -> None:
        self._end, self.text = time.monotonic() + seconds, text

    @classmethod
    def after(cls, milliseconds: int) -> "Deadline":
        """Return the end of a call that begins now."""
        return cls(milliseconds / 1000, f"{milliseconds} ms (features.timeout_ms)")

    def left(self) -> float:
        """Return how many seconds are left, not below 0."""
        return max(0.0, self._end - time.monotonic())

    def share(self, parts: int) -> "Deadline":
        """Return an earlier end that leaves as much time to each of some parts."""
        return Deadline(self.left() / parts, f"its share of {self.text}")


class Link:
    """A connection without blocking calls.

    name:   the server, in a text.
    closed: whether it can no longer be used.
    used:   whether it has answered before, so that it may since have been closed for being idle.
    """

    __slots__ = ("_connection", "_events", "_inbox", "_socket", "_unsent", "closed", "name", "used")

    def __init__(self, connection: AbstractConnection, name: str) -> None:
        self._connection, self._socket = connection, _socket_of(connection)
        self._socket.setblocking(False)  # noqa: FBT003  the socket's own signature
        self._inbox, self._unsent, self._events = Inbox(), memoryview(b""), 0
        self.name, self.closed, self.used = name, False, False

    def ask(self, request: bytes, widths: NDArray[np.int64]) -> None:
        """Take a request, not yet to be sent, and the widths of its replies as `Inbox.expect` takes them."""
        self._unsent = memoryview(request)
        self._inbox.expect(widths)

    @property
    def cells(self) -> Cells:
        """What was answered; good until the next `ask`."""
        return self._inbox.cells

    def advance(self, deadline: Deadline) -> bool:
        """Send and receive what can be without waiting; return whether all replies are there.

        Raises:
            Closed:      the connection is gone.
            Unavailable: what arrived is no reply.
        """
        self._events = select.POLLIN
        try:
            self._send()
            complete = self._receive(deadline)
        except Malformed as error:
            raise Unavailable(
                f"{self.name} does not answer as Redis does, with {error}; check host, port and TLS of features.url"
            ) from None
        except OSError as error:
            raise Closed(f"the connection to {self.name} broke: {error}") from None
        self.used |= complete
        return complete

    def watch(self, poll: select.poll) -> None:
        """Register what this link waits for."""
        poll.register(self._socket, self._events)

    def close(self) -> None:
        """Close it, so that answers still on their way reach nobody."""
        self.closed = True
        self._connection.disconnect()  # type: ignore[no-untyped-call]  # redis-py's gap

    def _send(self) -> None:
        while self._unsent:
            try:
                sent = self._socket.send(self._unsent)
            except (BlockingIOError, ssl.SSLWantWriteError):
                self._events |= select.POLLOUT
                return
            except ssl.SSLWantReadError:
                return
            self._unsent = self._unsent[sent:]

    def _receive(self, deadline: Deadline) -> bool:
        while deadline.left():
            try:
                count = self._socket.recv_into(self._inbox.room())
            except (BlockingIOError, ssl.SSLWantReadError):
                return False
            except ssl.SSLWantWriteError:
                self._events |= select.POLLOUT
                return False
            if count == 0:
                raise ConnectionResetError("the server closed it")
            if self._inbox.received(count):
                return True
        return False


def _socket_of(connection: AbstractConnection) -> socket.socket:
    """Return the socket of a connection: the one thing that redis-py does not give publicly."""
    return cast("socket.socket", connection._get_socket())  # noqa: SLF001  see above


def exchange(links: Sequence[Link], deadline: Deadline) -> None:
    """Send what each link was asked and wait for all answers, reading while writing so that no side blocks the other.

    Raises:
        Closed:      a connection is gone.
        Unavailable: an answer did not come in time, or is none.
    """
    waiting = list(links)
    try:
        while waiting := [link for link in waiting if not link.advance(deadline)]:
            if not deadline.left():
                raise Unavailable(f"{_names(waiting)} did not answer within {deadline.text}")
            poll = select.poll()
            for link in waiting:
                link.watch(poll)
            poll.poll(math.ceil(deadline.left() * 1000))
    finally:
        for link in waiting:
            link.close()


def dial(target: Target, address: Address | None, deadline: Deadline) -> Link:
    """Connect to a server: TCP, TLS, password and database, each within what is left of the deadline.

    Args:
        target:   how to connect.
        address:  of the server; None: the Unix socket of the target.
        deadline: of the call that needs the connection.

    Raises:
        Unavailable: with the reason.
    """
    name = server_name(target, address)
    try:
        connection = target.kind(**connecting(target.options, address, deadline.left()))
        connection.connect()  # type: ignore[no-untyped-call]  # redis-py's gap
    except (RedisError, OSError) as error:
        raise Unavailable(target.masked(why(name, error, deadline))) from None
    return Link(connection, name)


def connecting(options: Mapping[str, Any], address: Address | None, seconds: float) -> dict[str, Any]:
    """Return redis-py's options for one connection whose every step may take some seconds."""
    place = {} if address is None else {"host": address[0], "port": address[1]}
    limits = dict.fromkeys(("socket_timeout", "socket_connect_timeout"), max(seconds, SHORTEST))
    return {**options, **place, **limits, "protocol": 2, "driver_info": None}


def server_name(target: Target, address: Address | None) -> str:
    """Return a server in a text."""
    return f"Redis at {target.options['path']}" if address is None else f"Redis at {address[0]}:{address[1]}"


def why(name: str, error: Exception, deadline: Deadline) -> str:
    """Return what an error of redis-py says, and what to do."""
    if isinstance(error, RedisTimeoutError):
        return f"{name} did not answer within {deadline.text}"
    code = getattr(error, "status_code", None)
    return refusal(name, f"{code} {error}") if code else f"cannot connect to {name}: {error}"


def refusal(name: str, text: str) -> str:
    """Return what a server's error text says, and what to do."""
    advice = ADVICE.get(text.partition(" ")[0])
    return f"{name} answered '{text}'" + (f": {advice}" if advice else "")


def _names(links: Sequence[Link]) -> str:
    return ", ".join(link.name for link in links)
