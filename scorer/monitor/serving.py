"""Runs the HTTP server in a thread, on the address and with the guards of the settings."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

from scorer.errors import Fatal
from scorer.monitor.access import guards
from scorer.monitor.health import Health
from scorer.monitor.metrics import Metrics
from scorer.monitor.pages import Pages
from scorer.monitor.server import Server
from scorer.settings import HttpSettings


@contextmanager
def serve(
    http: HttpSettings, metrics: Metrics | None, health: Health, pages: Pages | None = None, port: str = "http.port"
) -> Iterator[Server]:
    """Serve /metrics, /live and /ready until the block ends.

    Args:
        http: the address to listen on, the token and the certificate; a port of 0 takes a free one, which is then in
            `Server.port`.
        metrics: the source of /metrics; None if there is no such page.
        health: the source of /live and /ready.
        pages: more pages.
        port: the setting or option that has the port, for errors.

    Raises:
        Misconfigured: the files of the token or the certificate cannot be used.
        Fatal: the server cannot listen on the address.
    """
    access, certificate = guards(http)
    try:
        server = Server(http.host, http.port, metrics, health, access=access, certificate=certificate, pages=pages)
    except OSError as error:
        raise Fatal(_why_not(http.host, http.port, error, port)) from error
    thread = Thread(target=server.run, name="http", daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.stop()
        thread.join()
        server.close()


def _why_not(host: str, port: int, error: OSError, setting: str) -> str:
    if error.errno == errno.EADDRINUSE:
        without = ", or `http: null` to do without" if setting == "http.port" else ""
        what, todo = f"port {port} of {host} is taken", f"choose a free {setting}{without}"
    elif error.errno == errno.EACCES:
        what, todo = f"port {port} needs privileges", f"choose a {setting} above 1023"
    else:
        what = f"cannot listen on {host}:{port} ({error.strerror})"
        todo = f"{setting.replace('port', 'host')} must be an address of this machine"
    return f"{setting}: {what}; {todo}"
