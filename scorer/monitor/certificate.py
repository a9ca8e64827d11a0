"""The certificate of the HTTP server, which is loaded again when its files are replaced."""

import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from scorer.errors import Misconfigured, Problem
from scorer.security.rotation import Look, look

LOOK_SECONDS = 1.0  # between two looks at the files

log = structlog.get_logger()


class Certificate:
    """A certificate with its private key.

    Args:
        certificate: a PEM file with the certificate, followed by those of its issuers.
        key: a PEM file with the private key; None if it is in the same file.
        clock: seconds, monotonic.

    Raises:
        Misconfigured: the files cannot be used.
    """

    def __init__(self, certificate: Path, key: Path | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._certificate, self._key, self._clock = certificate, key, clock
        self._looked_at, self._seen = clock(), self._look()
        self._context = self._load()

    def wrap(self, accepted: socket.socket) -> ssl.SSLSocket:
        """Return a connection that will speak TLS; its handshake has not begun."""
        if self._clock() - self._looked_at >= LOOK_SECONDS:
            self._renew()
        return self._context.wrap_socket(accepted, server_side=True, do_handshake_on_connect=False)

    def _renew(self) -> None:
        self._looked_at, now = self._clock(), self._look()
        if now == self._seen:
            return
        try:
            self._context = self._load()
            log.info("http certificate replaced")
        except Misconfigured as error:  # perhaps only one of two files is replaced yet
            log.warning("http certificate not replaced: the old one stays", error=str(error))
        self._seen = now

    def _look(self) -> Look:
        return look([self._certificate, self._key or self._certificate])

    def _load(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.options |= ssl.OP_NO_RENEGOTIATION
        context.num_tickets = 0  # each client connects once in a while, and would not use them
        load_pair(context, self._certificate, self._key, "http.tls")
        return context


def load_pair(context: ssl.SSLContext, certificate: Path, key: Path | None, setting: str) -> None:
    """Load a certificate and its key into a context; connections from then on get them.

    Args:
        context: the context of a server.
        certificate: a PEM file with the certificate, followed by those of its issuers.
        key: a PEM file with the private key; None if it is in the same file.
        setting: the group that names the files, for errors.

    Raises:
        Misconfigured: the files cannot be used.
    """
    try:
        # With an empty password, an encrypted key is an error instead of a question on the terminal.
        context.load_cert_chain(certificate, key, password="")
    except OSError as error:
        files = " and ".join(map(str, filter(None, [certificate, key])))
        expected = "expected a certificate and its unencrypted private key, as PEM"
        raise Misconfigured([Problem(setting, f"{files}: {reason_of(error)}", expected)]) from None


def reason_of(error: OSError) -> str:
    """Return why files of certificates cannot be read or used."""
    return (error.reason if isinstance(error, ssl.SSLError) else error.strerror) or str(error)
