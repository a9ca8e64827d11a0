"""Parses `features.url`: where Redis is, and how to connect to it. No message here contains a password."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from redis import RedisError
from redis.connection import AbstractConnection, ConnectionPool

from scorer.errors import Misconfigured, Problem, did_you_mean
from scorer.security.redaction import foreign
from scorer.store.redis.login import ENCODE, WHERE, Pieces, divide

FORMS = {
    "redis": "redis://[USER:PASSWORD@]HOST:PORT/DB",
    "rediss": "rediss://[USER:PASSWORD@]HOST:PORT/DB",
    "unix": "unix://[USER:PASSWORD@]/PATH?db=DB",
    "redis+cluster": "redis+cluster://[USER:PASSWORD@]HOST:PORT,HOST:PORT",
    "rediss+cluster": "rediss+cluster://[USER:PASSWORD@]HOST:PORT,HOST:PORT",
    "redis+sentinel": "redis+sentinel://[USER:PASSWORD@]HOST:PORT,HOST:PORT/SERVICE/DB",
    "rediss+sentinel": "rediss+sentinel://[USER:PASSWORD@]HOST:PORT,HOST:PORT/SERVICE/DB",
}
FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "password_file", "sentinel_password_file")
OPTIONS = (
    *("client_name", "db", "password", "socket_keepalive", "username"),
    *("ssl_ca_data", "ssl_ca_path", "ssl_cert_reqs", "ssl_check_hostname", "ssl_ciphers", "ssl_exclude_verify_flags"),
    *("ssl_include_verify_flags", "ssl_min_version", "ssl_password", *FILES[:-1]),
)
SENTINEL_OPTIONS = ("sentinel_password", "sentinel_username", "sentinel_password_file")
LONGEST_HOST, LAST_PORT = 255, 65535
DEFAULT_PORTS = {"redis": 6379, "rediss": 6379, "sentinel": 26379}

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Target:
    """Where Redis is.

    form:      `single`, `cluster` or `sentinel`.
    kind:      redis-py's class of the connection: plain, TLS or Unix socket.
    options:   the options of connections to the servers that hold the features.
    seeds:     the addresses in the URL, of the server, some nodes or the sentinels; empty for a Unix socket.
    service:   the sentinels' name of the master.
    sentinels: the options of connections to the sentinels.
    password_file: the file of the password, read for every connection; None if the options have it.
    sentinel_password_file: the same for the sentinels.
    replicas:  whether replicas are read where there are some; see `features.read_from`.
    """

    form: str
    kind: type[AbstractConnection]
    options: Mapping[str, Any] = field(repr=False)
    seeds: tuple[Address, ...]
    service: str = ""
    sentinels: Mapping[str, Any] = field(default_factory=dict, repr=False)
    password_file: Path | None = None
    sentinel_password_file: Path | None = None
    replicas: bool = False


def announced(host: str, port: str | int) -> Address | None:
    """Return an address that a server announced, or None if it is not valid."""
    text = str(port)
    good = host.isprintable() and not re.search(r"\s", host) and 0 < len(host) <= LONGEST_HOST
    return (host, int(text)) if good and re.fullmatch(r"[0-9]{1,5}", text) and 0 < int(text) <= LAST_PORT else None


def parse(url: str) -> Target:
    """Parse a URL of one of the FORMS.

    Raises:
        Misconfigured: with every problem of the URL.
    """
    scheme, there, rest = url.partition("://")
    if scheme not in FORMS or not there:
        shown = f"unknown form '{scheme}://'" if there and re.fullmatch(r"[\w+]{1,20}", scheme) else "not a Redis URL"
        raise Misconfigured([Problem(WHERE, shown, "expected one of " + ", ".join(FORMS.values()))])
    base, _, form = scheme.partition("+")
    pieces = divide(rest, socket=base == "unix")
    query = pieces.options
    problems = _option_problems(query, base, form) + _twice(query | pieces.login)
    if base == "unix":
        seeds: tuple[Address, ...] = ()
        problems += _socket_problems(pieces)
    else:
        seeds = _addresses(pieces.hosts, DEFAULT_PORTS[form if form == "sentinel" else base], problems)
    service, path = _path(pieces.path, base, form, problems)
    if problems:
        raise Misconfigured(problems)
    files = {name: Path(query.pop(name)) for name in ("password_file", "sentinel_password_file") if name in query}
    secret = {name: query.pop(name) for name in list(query) if "password" in name or name == "sentinel_username"}
    kind, options = _connection(f"{base}://{'' if base == 'unix' else 'host'}{path}?{urlencode(query)}")
    login = {name.removeprefix("sentinel_"): secret.pop(name) for name in SENTINEL_OPTIONS if name in secret}
    options |= secret | pieces.login
    sentinels = {name: value for name, value in options.items() if name.startswith("ssl_")} | login
    return Target(
        form or "single",
        kind,
        options,
        seeds,
        service,
        sentinels,
        password_file=files.get("password_file"),
        sentinel_password_file=files.get("sentinel_password_file"),
    )


def _socket_problems(pieces: Pieces) -> list[Problem]:
    if not pieces.hosts:
        return []
    return [Problem(WHERE, "it has a host before the path of the socket", f"expected {FORMS['unix']}; {ENCODE}")]


def _option_problems(query: Mapping[str, str], base: str, form: str) -> list[Problem]:
    known = OPTIONS + (SENTINEL_OPTIONS if form == "sentinel" else ())
    problems = []
    for name, value in query.items():
        if "timeout" in name or "retry" in name:
            problems.append(Problem(WHERE, f"option '{name}' is not supported", "set features.timeout_ms instead"))
        elif name not in known:
            problems.append(_unknown_option(name, known, query))
        elif name.startswith("ssl_") and base != "rediss":
            problems.append(Problem(WHERE, f"option '{name}' is for TLS", "start the URL with rediss"))
        elif name in FILES and not Path(value).is_file():
            kind = "PEM file" if name.startswith("ssl_") else "file"
            problems.append(Problem(WHERE, f"{name}: no file {value}", f"expected the path of a {kind}"))
    return problems


def _twice(given: Mapping[str, str]) -> list[Problem]:
    return [
        Problem(WHERE, f"it has a {name} and {name}_file", "expected one of them")
        for name in ("password", "sentinel_password")
        if name in given and f"{name}_file" in given
    ]


def _unknown_option(name: str, known: tuple[str, ...], query: Mapping[str, str]) -> Problem:
    near = did_you_mean(name, known)
    others = [option for option in query if option != name]
    if not near and any("password" in each or each not in known for each in others):  # maybe the end of a password
        what = "an unknown option follows a password"
        return Problem(WHERE, what, "percent-encode '&' in a password as %26; known options: " + ", ".join(known))
    return Problem(WHERE, f"unknown option '{name}'{near}", "known options: " + ", ".join(known))


def _addresses(hosts: str, default_port: int, problems: list[Problem]) -> tuple[Address, ...]:
    """Return the addresses. Problems do not show their text, since it may be half of a password."""
    seeds = []
    for host in hosts.split(","):
        try:
            parts = urlsplit("//" + host)
            seeds.append((parts.hostname or "localhost", default_port if parts.port is None else parts.port))
        except ValueError:
            problems.append(Problem(WHERE, "a host or its port is invalid", f"expected HOST:PORT; {ENCODE}"))
    return tuple(seeds)


def _path(path: str, base: str, form: str, problems: list[Problem]) -> tuple[str, str]:
    """Return the sentinels' service, and the rest of the path, for redis-py."""
    if base == "unix":
        if not path:
            problems.append(Problem(WHERE, "it has no path of a socket", f"expected {FORMS['unix']}"))
        return "", path
    service, number = "", path.removeprefix("/")
    if form == "sentinel":
        service, _, number = number.partition("/")
        if not service:
            problems.append(Problem(WHERE, "it has no service name", f"expected {FORMS['redis+sentinel']}"))
    if not re.fullmatch(r"[0-9]{0,9}", number):
        # It is not shown: after a login without an @ it is a password.
        what = "the database after '/' is not a number"
        problems.append(Problem(WHERE, what, f"{FORMS['redis' + '+' * bool(form) + form]}; {ENCODE}"))
    elif form == "cluster" and int(number or 0):
        problems.append(Problem(WHERE, f"database {number} of a cluster", "remove it: a cluster has only database 0"))
    return service, f"/{number}"


def _connection(url: str) -> tuple[type[AbstractConnection], dict[str, Any]]:
    """Return redis-py's class and options for connections, after redis-py has checked the options."""
    try:
        pool = ConnectionPool.from_url(url)
        pool.connection_class(**pool.connection_kwargs)
    except (RedisError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise Misconfigured([Problem(WHERE, foreign(str(error)), "see the options of redis-py's URLs")]) from None
    options = {name: value for name, value in pool.connection_kwargs.items() if name in (*OPTIONS, "path")}
    return pool.connection_class, options
