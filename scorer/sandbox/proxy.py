"""A TCP proxy on loopback that behaves like a bad network."""

import asyncio
import socket
import struct
import threading
from collections.abc import Coroutine
from enum import StrEnum
from typing import Self, TypeVar

from scorer.sandbox.server import HOST

_Result = TypeVar("_Result")
_CHUNK = 65_536
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER on with no time: closing sends RST


class Network(StrEnum):
    """How the proxy treats connections."""

    PASS = "pass"  # noqa: S105  not a password
    HOLE = "hole"  # connections stay open but nothing arrives; after the fault, the bytes are delivered
    RESET = "reset"  # open and new connections are reset


class Proxy:
    """Forwards TCP connections to a server, with injected faults: `with Proxy(server.address) as proxy`.

    Kafka's clients keep using it only if the broker's `advertised_port` is the proxy's `port`.

    Args:
        target: `host:port` of the server.
        port: the port to listen on; 0 takes a free one.
    """

    def __init__(self, target: str, port: int = 0) -> None:
        host, _, target_port = target.rpartition(":")
        self._target = (host, int(target_port))
        self._network = Network.PASS
        self._latency_s = 0.0
        self._delivers = asyncio.Event()
        self._delivers.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()
        self._server = self._run(asyncio.start_server(self._serve, HOST, port))
        self.port: int = self._server.sockets[0].getsockname()[1]

    @property
    def address(self) -> str:
        """`host:port` for clients."""
        return f"{HOST}:{self.port}"

    def set(self, network: Network = Network.PASS, latency_s: float = 0.0) -> None:
        """Set how connections are treated from now on; `latency_s` is added in each direction."""
        self._run(self._set(network, latency_s))

    def close(self) -> None:
        """Stop listening and reset every connection."""
        self.set(Network.RESET)
        self._server.close()
        self._run(_end_others())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Coroutine[object, object, _Result]) -> _Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _set(self, network: Network, latency_s: float) -> None:
        self._network, self._latency_s = network, latency_s
        if network is Network.HOLE:
            self._delivers.clear()
        else:
            self._delivers.set()
        if network is Network.RESET:
            for writer in tuple(self._writers):
                _reset(writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._network is Network.RESET:
            return _reset(writer)
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target)
        except OSError:
            return _reset(writer)
        ends = {writer, far_writer}
        self._writers |= ends
        await asyncio.gather(self._pass(reader, far_writer), self._pass(far_reader, writer))
        self._writers -= ends
        return None

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward one direction of a connection. It keeps reading while bytes wait, so latency is added once."""
        held: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        delivery = asyncio.create_task(self._deliver(held, writer))
        data = b"-"
        while data:
            try:
                data = await reader.read(_CHUNK)
            except OSError:
                data = b""
            held.put_nowait((self._loop.time() + self._latency_s, data))
        await delivery

    async def _deliver(self, held: "asyncio.Queue[tuple[float, bytes]]", writer: asyncio.StreamWriter) -> None:
        data = b"-"
        while data and not writer.is_closing():
            due, data = await held.get()
            await asyncio.sleep(due - self._loop.time())
            await self._delivers.wait()
            writer.write(data)
        writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    connection: socket.socket = writer.get_extra_info("socket")
    if connection.fileno() >= 0:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()


async def _end_others() -> None:
    """End every other task of the loop: one that is pending when the loop is gone complains when it is collected."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for each in others:
        each.cancel()
    await asyncio.gather(*others, return_exceptions=True)
