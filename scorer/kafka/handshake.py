"""What to fix when the brokers do not let a client in: TLS and login, in the names of the settings.

librdkafka says that a certificate is not accepted, but not why, and it says nothing at all if a port expects TLS and
gets none. So the broker is asked once more, by Python's own TLS.
"""

import re
import socket
import ssl
import struct
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from confluent_kafka import KafkaError

from scorer.security import tls
from scorer.security.printable import printable

SECONDS = 2.0  # for one connection
AGAIN_SECONDS = 30.0  # until a broker is asked again
WANTED = frozenset({KafkaError._AUTHENTICATION, KafkaError._SSL})  # noqa: SLF001  librdkafka's own codes are so named
# Reported as a broken connection, and hopeless all the same.
_ALERT = re.compile(r"SSL alert number \d+|wrong version number|connecting to a (?:PLAINTEXT|SSL) broker")
_BROKER = re.compile(r"\b(?:sasl_)?(?:ssl|plaintext)://(?P<host>\[[^\]]*\]|[^\s:/]+):(?P<port>\d+)", re.IGNORECASE)
_LOGIN = re.compile(
    r"SASL authentication error|SASL \S+ mechanism handshake failed|authentication failed", re.IGNORECASE
)
_MECHANISM = re.compile(r"mechanism handshake failed|unsupported sasl mechanism", re.IGNORECASE)
_AFTER = re.compile(r" \(after \d+ms in state \w+.*\)\Z", re.DOTALL)
# A request of Kafka's protocol for a mechanism without a name; the answer lists those that there are.
_SASL_HANDSHAKE = struct.pack(">ihhihh", 12, 17, 1, 1, -1, 0)
NO_TLS = "connect with security.protocol: PLAINTEXT or SASL_PLAINTEXT, or to the port for TLS"


def is_hopeless(code: int, text: str) -> bool:
    """Whether waiting does not help: someone has to change a setting, a certificate or a password."""
    return code in WANTED or _ALERT.search(text) is not None


class Handshakes:
    """Says what to fix for an error of a client.

    Args:
        properties: the properties of the client.
        servers: the brokers that it connects to first.
    """

    def __init__(self, properties: Mapping[str, str], servers: str) -> None:
        self._properties, self._servers = properties, servers
        self._protocol = properties.get("security.protocol", "plaintext").lower()
        self._asked: dict[tuple[str, int], tuple[float, str]] = {}

    def explained(self, text: str) -> str:
        """Return the text of an error, with what to fix if it is about TLS or the login."""
        short = _AFTER.sub("", text)
        if _LOGIN.search(short):
            return f"{short}; {self._login_remedy(short)}"
        named = _BROKER.search(short)
        if "certificate verify failed" in short and named:
            why = self._verdict(named["host"].strip("[]"), int(named["port"])) or "certificate verify failed"
            return f"{named[0]}: its certificate is not accepted: {why}; {self._remedy(why) or self._remedy(short)}"
        if "SSL connection closed by peer" in short and named:
            remedy = self._remedy(_hangs_up((named["host"].strip("[]"), int(named["port"]))))
        else:
            remedy = self._remedy(short)
        return f"{short}; {remedy}" if remedy else text

    def silent(self) -> str:
        """Return why brokers end every connection without a reason; empty if that is not clear."""
        server = self._servers.partition(",")[0]
        host, _, port = server.rpartition(":")
        if not port.isdecimal():
            return ""
        address, encrypted = (host.strip("[]"), int(port)), self._protocol.endswith("ssl")
        if not encrypted and _speaks_tls(address):
            wanted = "SSL" if self._protocol == "plaintext" else "SASL_SSL"
            return f"{server} expects TLS; set security.protocol: {wanted} in kafka.properties"
        if not self._protocol.startswith("sasl") and (mechanisms := _mechanisms(address, encrypted=encrypted)):
            wanted = "SASL_SSL" if encrypted else "SASL_PLAINTEXT"
            what = f"security.protocol: {wanted}, and sasl.mechanism: {' or '.join(mechanisms)}"
            return f"{server} expects a login; set {what} in kafka.properties"
        return ""

    def _remedy(self, text: str) -> str:
        certificate = "ssl.certificate.location and ssl.key.location"
        return tls.remedy(text, ca="ssl.ca.location", certificate=certificate, port=NO_TLS)

    def _login_remedy(self, text: str) -> str:
        mechanism = self._properties.get("sasl.mechanism", self._properties.get("sasl.mechanisms", "GSSAPI")).upper()
        if _MECHANISM.search(text):
            return f"sasl.mechanism is {mechanism}; set one that the brokers have"
        if mechanism == "OAUTHBEARER":
            return "check sasl.oauthbearer.* and what the brokers expect of a token"
        return "check sasl.username and sasl.password"

    def _verdict(self, host: str, port: int) -> str:
        """Return why the certificate of a broker is not accepted, in the words of OpenSSL."""
        at, verdict = self._asked.get((host, port), (-AGAIN_SECONDS, ""))
        if time.monotonic() - at >= AGAIN_SECONDS:
            verdict = _verdict(host, port, self._context())
            self._asked[host, port] = time.monotonic(), verdict
        return verdict

    def _context(self) -> ssl.SSLContext:
        context, given = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), self._properties
        context.check_hostname = given.get("ssl.endpoint.identification.algorithm", "https").lower() != "none"
        place, text = given.get("ssl.ca.location", "probe"), given.get("ssl.ca.pem")
        if text is not None:
            context.load_verify_locations(cadata=text)
        elif place == "probe":
            context.load_default_certs()
        elif Path(place).is_dir():
            context.load_verify_locations(capath=place)
        else:
            context.load_verify_locations(cafile=place)
        return context


def _verdict(host: str, port: int, context: ssl.SSLContext) -> str:
    try:
        with (
            socket.create_connection((host, port), SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=host),
        ):
            return ""
    except ssl.SSLCertVerificationError as refused:
        return str(refused.verify_message)
    except (OSError, ValueError):
        return ""


def _speaks_tls(address: tuple[str, int]) -> bool:
    """Whether a port answers the first message of a TLS handshake as a TLS server does."""
    try:
        with socket.create_connection(address, SECONDS) as plain, _unverified().wrap_socket(plain):
            return True
    except ssl.SSLError as failed:
        return "ALERT" in (failed.reason or "")
    except (OSError, ValueError):
        return False


def _hangs_up(address: tuple[str, int]) -> str:
    """Return the error of OpenSSL for a port without TLS, if the port closes the connection during a handshake."""
    try:
        with socket.create_connection(address, SECONDS) as plain:
            try:
                with _unverified().wrap_socket(plain):
                    return ""
            except TimeoutError:
                return ""
            except (ssl.SSLError, ConnectionError) as failed:
                return "" if "ALERT" in (getattr(failed, "reason", "") or "") else "wrong version number"
    except (OSError, ValueError):
        return ""


def _mechanisms(address: tuple[str, int], *, encrypted: bool) -> list[str]:
    """Return the mechanisms of a port that expects a login; none if it expects none, or is no broker's."""
    try:
        with ExitStack() as stack:
            link: socket.socket = stack.enter_context(socket.create_connection(address, SECONDS))
            if encrypted:
                link = stack.enter_context(_unverified().wrap_socket(link))
                link.settimeout(SECONDS)
            link.sendall(_SASL_HANDSHAKE)
            answer = link.recv(4096)
        (count,) = struct.unpack_from(">i", answer, 10)  # after its size, its number and the error
        found, at = [], 14
        for _ in range(min(count, 16)):
            (size,) = struct.unpack_from(">h", answer, at)
            found.append(printable(answer[at + 2 : at + 2 + size].decode(errors="replace")))
            at += 2 + size
    except (OSError, ValueError, struct.error):
        return []
    return found


def _unverified() -> ssl.SSLContext:
    """Return a context that accepts any certificate: nothing that is secret is sent."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
