"""One connection of the HTTP server: read the request, answer it and close, all within time limits.

A stream stays open as long as its client takes what it is sent, each piece within the limit of a response.
"""

import math
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from selectors import EVENT_READ, EVENT_WRITE

from scorer.monitor.request import Refused, Request, Response, head_end, read_request

REQUEST_SECONDS = 5.0  # for the TLS handshake and a whole request, however slowly they arrive
RESPONSE_SECONDS = 5.0  # to send the response
DRAIN_SECONDS = 1.0  # to discard a request's body
DRAIN_BYTES = 65_536
READ_BYTES = 4096

Answer = Callable[[Request], Response]


class Connection:
    """A client's connection; `done` once it only remains to close it.

    Args:
        accepted: the socket, which must not block; if it speaks TLS, its handshake has not begun.
        now: seconds, monotonic, as every `now` here.
        answer: makes the response to a request.
    """

    def __init__(self, accepted: socket.socket, now: float, answer: Answer) -> None:
        self.socket, self._answer = accepted, answer
        self.deadline = now + REQUEST_SECONDS
        self.done = False
        self.streaming = False  # whether more follows what was sent
        self._shaking = isinstance(accepted, ssl.SSLSocket)  # whether the TLS handshake has not ended
        self._wanted = 0  # the event that TLS waits for; 0 if it waits for none of its own
        self._received = bytearray()
        self._unsent: memoryview | None = None  # None while the request is being read
        self._drained: int | None = None  # bytes discarded after the response; None if nothing needs to be discarded

    @property
    def interest(self) -> int:
        """The event it waits for: EVENT_READ or EVENT_WRITE."""
        return self._wanted or (EVENT_WRITE if self._unsent else EVENT_READ)

    def advance(self, now: float) -> None:
        """Read or write as far as possible without blocking."""
        self._wanted = 0
        try:
            self._step(now)
            # What TLS has decrypted is not seen by the selector.
            while self._unsent is None and not self.done and self._decrypted():
                self._step(now)
        except ssl.SSLWantReadError:
            self._wanted = EVENT_READ
        except ssl.SSLWantWriteError:
            self._wanted = EVENT_WRITE
        except BlockingIOError:
            pass
        except OSError:  # the client has gone
            self.done = True

    def push(self, piece: bytes, now: float) -> None:
        """Send another piece of a stream; a client that has not taken the one before is too slow, and is cut off."""
        if self._unsent:
            self.done = True
            return
        self._unsent, self.deadline = memoryview(piece), now + RESPONSE_SECONDS
        self.advance(now)

    def expire(self, now: float) -> None:
        """End the connection after its deadline."""
        if self._unsent is None and self._received:
            self._respond(Refused(HTTPStatus.REQUEST_TIMEOUT).response.encode(), now, more=True)
        else:
            self.done = True

    def close(self) -> None:
        """Close the connection."""
        self.socket.close()

    def _step(self, now: float) -> None:
        if self._shaking and isinstance(self.socket, ssl.SSLSocket):
            self.socket.do_handshake()
            self._shaking = False
        if self._unsent is None:
            self._read(now)
        elif self._unsent:
            self._send(now)
        elif self.streaming:
            self._listen()
        else:
            self._drain()

    def _decrypted(self) -> int:
        return self.socket.pending() if isinstance(self.socket, ssl.SSLSocket) else 0

    def _read(self, now: float) -> None:
        received = self.socket.recv(READ_BYTES)
        self._received += received
        if not received:
            self.done = True
            return
        try:
            end = head_end(self._received)
            if end < 0:
                return
            request = read_request(bytes(self._received[:end]))
        except Refused as refused:
            self._respond(refused.response.encode(), now, more=True)
        else:
            more = request.body or len(self._received) > end
            response = self._answer(request)
            self.streaming = response.stream and request.method != "HEAD"
            self._respond(response.encode(head_only=request.method == "HEAD"), now, more=more)

    def _respond(self, response: bytes, now: float, *, more: bool) -> None:
        """Send a response. `more` means that unread bytes may follow, which must be read or the client gets a reset."""
        self._unsent, self.deadline = memoryview(response), now + RESPONSE_SECONDS
        self._drained = 0 if more else None
        self._send(now)

    def _send(self, now: float) -> None:
        assert self._unsent is not None  # noqa: S101  the caller's condition
        self._unsent = self._unsent[self.socket.send(self._unsent) :]
        if self._unsent:
            return
        if self.streaming:
            self.deadline = math.inf
            return
        if isinstance(self.socket, ssl.SSLSocket):
            with suppress(OSError):  # this tells the client that nothing was cut off, and need not hear the same
                self.socket.unwrap()
        if self._drained is None:
            self.done = True
        else:
            self.socket.shutdown(socket.SHUT_WR)
            self.deadline = now + DRAIN_SECONDS

    def _listen(self) -> None:
        """Notice that the client of a stream has gone; it has nothing more to say."""
        self.done = not self.socket.recv(READ_BYTES)

    def _drain(self) -> None:
        received = len(self.socket.recv(DRAIN_BYTES))
        self._drained = (self._drained or 0) + received
        self.done = not received or self._drained > DRAIN_BYTES
