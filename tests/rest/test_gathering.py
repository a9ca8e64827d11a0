"""A response is one write, and nothing of it is lost when the connection closes."""

import asyncio
from typing import cast

from scorer.rest.gathering import Gathering


class Wire:
    """A transport that notes what happens to it."""

    def __init__(self) -> None:
        self.happened: list[object] = []
        self.closing = False

    def write(self, data: bytes) -> None:
        self.happened.append(data)

    def close(self) -> None:
        self.happened.append("closed")
        self.closing = True

    def is_closing(self) -> bool:
        return self.closing


async def gathering() -> tuple[Gathering, Wire]:
    wire = Wire()
    return Gathering(cast("asyncio.Transport", wire), asyncio.get_running_loop()), wire


def test_what_one_turn_brings_is_one_write() -> None:
    async def run() -> list[object]:
        transport, wire = await gathering()
        for part in (b"head", b"body"):
            transport.write(part)
        await asyncio.sleep(0)
        transport.write(b"next")
        await asyncio.sleep(0)
        return wire.happened

    assert asyncio.run(run()) == [b"headbody", b"next"]


def test_closing_writes_what_is_held_first() -> None:
    async def run() -> list[object]:
        transport, wire = await gathering()
        transport.write(b"last")
        transport.close()
        await asyncio.sleep(0)
        return wire.happened

    assert asyncio.run(run()) == [b"last", "closed"]


def test_nothing_is_written_to_a_connection_that_is_gone() -> None:
    async def run() -> list[object]:
        transport, wire = await gathering()
        transport.write(b"late")
        wire.closing = True
        await asyncio.sleep(0)
        return wire.happened

    assert asyncio.run(run()) == []


def test_all_else_is_that_of_the_transport() -> None:
    async def run() -> bool:
        transport, wire = await gathering()
        wire.closing = True
        return bool(transport.is_closing())

    assert asyncio.run(run())
