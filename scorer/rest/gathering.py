"""Writes the parts of a response with one system call."""

import asyncio
from typing import Any


class Gathering:
    """A transport that joins all writes of one iteration of the event loop.

    Uvicorn writes the head and the body of a response separately, which takes two system calls and two packets.

    Args:
        transport: receives the joined writes.
        loop: the event loop of the connection.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self.is_closing = transport.is_closing  # asked for several times a request
        self._held: list[bytes] = []

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  all that is not about writing
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Write at the end of this iteration."""
        if not self._held:
            self._loop.call_soon(self._flush)
        self._held.append(data)

    def close(self) -> None:
        """Flush, and close."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        held, self._held = self._held, []
        if held and not self._transport.is_closing():
            self._transport.write(b"".join(held))
