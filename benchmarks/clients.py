"""Clients that are a burden to a replica's HTTP server: `python -m benchmarks.clients KIND NUMBER PORT`.

`scrape` reads /metrics without pause. `slow` opens connections and sends a byte of a request each second. Both also ask
/live four times a second, as an orchestrator would. At SIGTERM the program prints what it did, as JSON.
"""

import http.client
import json
import os
import signal
import socket
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event, Thread, get_native_id
from types import FrameType

from benchmarks.process import Process

TIMEOUT_SECONDS = 10.0
PROBE_SECONDS = 0.25  # between two requests of /live
HEAD = b"GET /metrics HTTP/1.1\r\nHost: replica\r\nX-Padding: " + b"x" * 1_000
KINDS = ("scrape", "slow")


@dataclass(slots=True)
class Done:
    """What the clients did.

    pages:   of /metrics that were received.
    probes:  of /live that were answered with 200.
    failed:  of /live that were not.
    seconds: the longest that an answer of /live took.
    """

    pages: int = 0
    probes: int = 0
    failed: int = 0
    seconds: float = 0.0


def command(kind: str, number: int, port: int) -> list[str]:
    """Return the command that starts clients of one of KINDS."""
    return [sys.executable, "-m", "benchmarks.clients", kind, str(number), str(port)]


def done(process: Process, log: Path) -> Done:
    """Stop the clients, and return what they did."""
    process.stop()
    return Done(**json.loads(log.read_text().splitlines()[-1]))


def main(kind: str, number: int, port: int) -> None:
    """Be a burden until SIGTERM."""
    stopping, result = Event(), Done()

    def stop(_: int, __: FrameType | None) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    work = [lambda: _probe(port, stopping, result)]
    if kind == "scrape":
        work += [lambda: _scrape(port, stopping, result)] * number
    elif number:
        work.append(lambda: _dawdle(number, port, stopping))
    threads = [Thread(target=each, daemon=True) for each in work]
    for thread in threads:
        thread.start()
    stopping.wait()
    for thread in threads:
        thread.join(TIMEOUT_SECONDS)
    sys.stdout.write(json.dumps(asdict(result)) + "\n")


def _get(port: int, path: str) -> bool:
    """Request a page on a connection of its own; return whether it came with 200.

    Raises:
        ConnectionRefusedError: the replica is not listening.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        response.read()
    except ConnectionRefusedError:
        raise
    except (OSError, http.client.HTTPException):
        return False
    else:
        return response.status == http.client.OK
    finally:
        connection.close()


def _probe(port: int, stopping: Event, result: Done) -> None:
    """Request /live from the replica's first answer until it ends."""
    while not stopping.wait(PROBE_SECONDS):
        began = time.monotonic()
        try:
            alive = _get(port, "/live")
        except ConnectionRefusedError:
            if result.probes:
                return
            continue
        result.probes += alive
        result.failed += not alive
        result.seconds = max(result.seconds, time.monotonic() - began)


def _scrape(port: int, stopping: Event, result: Done) -> None:
    # The scrapers of a replica run on other machines, so they must not take its processor here.
    os.setpriority(os.PRIO_PROCESS, get_native_id(), 19)
    while not stopping.is_set():
        try:
            result.pages += _get(port, "/metrics")
        except ConnectionRefusedError:
            time.sleep(PROBE_SECONDS)


def _dawdle(number: int, port: int, stopping: Event) -> None:
    """Keep so many connections open, each with another byte of its request every second."""
    open_ones: list[tuple[socket.socket, int]] = []
    while not stopping.wait(1.0):
        going = []
        for connection, sent in open_ones:
            try:
                connection.send(HEAD[sent : sent + 1])
                going.append((connection, sent + 1))
            except OSError:
                connection.close()
        with suppress(OSError):
            while len(going) < number:
                going.append((socket.create_connection(("127.0.0.1", port), TIMEOUT_SECONDS), 0))
        open_ones = going


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
