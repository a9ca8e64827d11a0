"""Connecting to Redis servers."""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, TypeVar

from redis import RedisError
from redis import TimeoutError as RedisTimeoutError
from redis.connection import AbstractConnection

from scorer.errors import Misconfigured, Unavailable
from scorer.security.rotation import secret_file
from scorer.store.protocol import PREFETCH_SECONDS
from scorer.store.redis.handshake import explained
from scorer.store.redis.link import Closed, Deadline, Link, exchange
from scorer.store.redis.refusal import login_refused, refusal
from scorer.store.redis.resp import BARE, command, equal_widths
from scorer.store.redis.url import Address, Target

PING = command(b"PING")
PING_MAY_FAIL = "NOPERM"  # a server that refuses PING to this user does answer
Answer = TypeVar("Answer")
SHORTEST = 0.001  # seconds: in redis-py, 0 means "do not wait"


class Links:
    """The open connections of a store.

    Args:
        target: how to connect.
        begin:  returns the deadline of a call that begins now.
    """

    __slots__ = ("_begin", "_open", "_sent", "_target")

    def __init__(self, target: Target, begin: Callable[[], Deadline]) -> None:
        self._target, self._begin = target, begin
        self._open: dict[Address | None, Link] = {}
        self._sent: tuple[object, object, float] | None = None  # see `send_ahead`

    def __bool__(self) -> bool:
        return bool(self._open)

    def to(self, address: Address | None, deadline: Deadline) -> Link:
        """Return the connection to a server, which is opened if needed; see `dial`."""
        if address not in self._open:
            self._open[address] = dial(self._target, address, deadline)
        return self._open[address]

    def already(self, address: Address | None) -> Link:
        """Return the open connection to a server.

        Raises:
            Closed: there is none.
        """
        if address not in self._open:
            raise Closed("there is no connection yet")
        return self._open[address]

    def send_ahead(self, what: object, send: Callable[[], object]) -> None:
        """Send requests whose replies a later call receives, which must come next and name the same object.

        Args:
            what: what is asked for; compared by identity.
            send: sends without waiting, and returns what `sent_ahead` gives back.
        """
        if self._sent is not None and self._sent[0] is what:
            return
        self._drop_ahead()
        try:
            self._sent = what, send(), time.monotonic()
        except Unavailable:  # it will be asked for again, and then raised
            self.close()

    @property
    def waiting(self) -> bool:
        """Whether replies to a request that was sent ahead are on their way."""
        return self._sent is not None and bool(self._open)

    def arrived(self) -> bool | None:
        """Whether all replies to a request that was sent ahead are complete; see `Store.arrived`."""
        if self._sent is None:
            return True
        try:
            return all(link.advance(self._begin()) for link in self._open.values())
        except Unavailable:  # it will be asked for again, and then raised
            self.close()
            return None

    def sent_ahead(self, what: object) -> object | None:
        """Return what `send_ahead` got, once; None if it was not called for this object just before, or is too old."""
        if self._sent is not None:
            asked, sent, when = self._sent
            if asked is what and time.monotonic() - when < PREFETCH_SECONDS:
                self._sent = None
                return sent
            self._drop_ahead()
        return None

    def _drop_ahead(self) -> None:
        """Close the connections if replies to a request that was sent ahead are still on their way."""
        if self._sent is not None:
            self.close()

    def call(self, attempt: Callable[[Deadline], Answer]) -> Answer:
        """Return the result of `attempt`, within the timeout.

        If a connection of an earlier call turns out to be closed, the attempt is repeated once with new connections:
        servers and proxies close idle ones, and reading twice does no harm.
        """
        self._drop_ahead()
        deadline = self._begin()
        if self._open:
            with suppress(Closed):
                return self._once(attempt, deadline)
        return self._once(attempt, deadline)

    def close(self) -> None:
        """Close all; `to` opens them again."""
        for link in self._open.values():
            link.close()
        self._open.clear()
        self._sent = None

    def _once(self, attempt: Callable[[Deadline], Answer], deadline: Deadline) -> Answer:
        try:
            return attempt(deadline)
        except BaseException:
            self.close()  # a late reply must not be taken for the reply to the next request
            raise


def dial(target: Target, address: Address | None, deadline: Deadline) -> Link:
    """Connect to a server. Each step (TCP, TLS, login with database) may take what is left of the deadline.

    Args:
        target:   how to connect.
        address:  the address of the server; None for the Unix socket of the target.
        deadline: the deadline of the call that needs the connection.

    Raises:
        Unavailable: with the reason.
    """
    name = server_name(target, address)
    try:
        options = connecting(target.options, address, deadline.left()) | {"redis_connect_func": _connected}
        connection = target.kind(**options)
        connection.connect()  # type: ignore[no-untyped-call]  # redis-py's gap
    except (RedisError, OSError, ValueError, OverflowError) as error:  # the last two come from an invalid host or port
        raise Unavailable(why(name, error, deadline)) from None
    link = Link(connection, name, target.options.get("username") or "default")
    try:
        _introduce(link, target, deadline)
    except BaseException:
        link.close()
        raise
    return link


def _connected(_: AbstractConnection) -> None:
    """Replace redis-py's handshake, which restarts its timeout for each reply."""


def _introduce(link: Link, target: Target, deadline: Deadline) -> None:
    """Log in, and select the database."""
    options = target.options
    login = [options.get("username") or "", options.get("password") or _password(target)]
    asked = [("AUTH", *login[not login[0] :])] if any(login) else []
    asked += [("CLIENT", "SETNAME", options["client_name"])] if options.get("client_name") else []
    asked += [("SELECT", options["db"])] if options.get("db") else []
    if target.replicas and target.form == "cluster":  # otherwise a replica redirects to its master
        asked += [("READONLY",)]
    if asked:
        commands = [command(*(str(part).encode() for part in parts)) for parts in asked]
        link.ask(commands, equal_widths(len(asked), BARE))
        exchange([link], deadline)
        for cell, text in link.cells.errors():
            raise Unavailable(login_refused(link, text) if asked[cell][0] == "AUTH" else refusal(link, text))


def _password(target: Target) -> str:
    if target.password_file is None:
        return ""
    try:
        return secret_file(target.password_file, "features.url").read()
    except Misconfigured as error:
        raise Unavailable(str(error)) from None


def connecting(options: Mapping[str, Any], address: Address | None, seconds: float) -> dict[str, Any]:
    """Return redis-py's options for one connection; each step may take `seconds`."""
    place = {} if address is None else {"host": address[0], "port": address[1]}
    limits = dict.fromkeys(("socket_timeout", "socket_connect_timeout"), max(seconds, SHORTEST))
    return {**options, **place, **limits, "protocol": 2, "driver_info": None}


def server_name(target: Target, address: Address | None) -> str:
    """Return the name of a server for messages."""
    return f"Redis at {target.options['path']}" if address is None else f"Redis at {address[0]}:{address[1]}"


def why(name: str, error: Exception, deadline: Deadline) -> str:
    """Return why a connection cannot be made."""
    if isinstance(error, RedisTimeoutError):
        return f"{name} did not answer within {deadline.text}"
    return f"cannot connect to {name}: {explained(error)}"
