"""What `features.url` says: where Redis is, and how to connect to it. Passwords never leave here in a text."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from redis import RedisError
from redis.connection import AbstractConnection, ConnectionPool

from scorer.errors import Misconfigured, Problem, did_you_mean

WHERE = "features.url"
FORMS = {
    "redis": "redis://[USER:PASSWORD@]HOST:PORT/DB",
    "rediss": "rediss://[USER:PASSWORD@]HOST:PORT/DB",
    "unix": "unix://[USER:PASSWORD@]/PATH?db=DB",
    "redis+cluster": "redis+cluster://[USER:PASSWORD@]HOST:PORT,HOST:PORT",
    "rediss+cluster": "rediss+cluster://[USER:PASSWORD@]HOST:PORT,HOST:PORT",
    "redis+sentinel": "redis+sentinel://[USER:PASSWORD@]HOST:PORT,HOST:PORT/SERVICE/DB",
    "rediss+sentinel": "rediss+sentinel://[USER:PASSWORD@]HOST:PORT,HOST:PORT/SERVICE/DB",
}
FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
OPTIONS = (
    *("client_name", "db", "password", "socket_keepalive", "username"),
    *("ssl_ca_data", "ssl_ca_path", "ssl_cert_reqs", "ssl_check_hostname", "ssl_ciphers", "ssl_exclude_verify_flags"),
    *("ssl_include_verify_flags", "ssl_min_version", "ssl_password", *FILES),
)
SENTINEL_OPTIONS = ("sentinel_password", "sentinel_username")
DEFAULT_PORTS = {"redis": 6379, "rediss": 6379, "sentinel": 26379}

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Target:
    """Where Redis is.

    form:      `single`, `cluster` or `sentinel`.
    kind:      the class that connects: plain, TLS or Unix socket.
    options:   of the connections to the servers that hold the features.
    seeds:     the addresses in the URL: the server, some nodes, the sentinels; none for a Unix socket.
    service:   the name under which sentinels know the master.
    sentinels: options of the connections to the sentinels.
    """

    form: str
    kind: type[AbstractConnection]
    options: Mapping[str, Any] = field(repr=False)
    seeds: tuple[Address, ...]
    service: str = ""
    sentinels: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def masked(self, text: str) -> str:
        """Return a text of a server or a library without the passwords: some servers repeat what they refuse."""
        options = (*self.options.items(), *self.sentinels.items())
        for secret in {str(value) for name, value in options if "password" in name and value}:
            text = text.replace(secret, "***")
        return text


def parse(url: str) -> Target:
    """Read a URL of one of the FORMS.

    Raises:
        Misconfigured: with all that is wrong with it.
    """
    scheme, _, rest = url.partition("://")
    if scheme not in FORMS:
        shown = f"unknown form '{scheme}://'" if re.fullmatch(r"[\w+]{1,20}", scheme) else "not a URL of Redis"
        raise Misconfigured([Problem(WHERE, shown, "expected one of " + ", ".join(FORMS.values()))])
    base, _, form = scheme.partition("+")
    parts = urlsplit("//" + rest)
    if base != "unix" and "@" in parts.path + parts.query + parts.fragment:
        raise Misconfigured(
            [Problem(WHERE, "'@' stands behind the host", "percent-encode special characters of user and password")]
        )
    user, at, hosts = parts.netloc.rpartition("@")
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    problems = _option_problems(query, base, form)
    seeds = () if base == "unix" else _addresses(hosts, DEFAULT_PORTS[form if form == "sentinel" else base], problems)
    service, path = _path(parts.path, base, form, problems)
    if problems:
        raise Misconfigured(problems)
    login = {name.removeprefix("sentinel_"): query.pop(name) for name in SENTINEL_OPTIONS if name in query}
    kind, options = _connection(f"{base}://{user}{at}{'' if base == 'unix' else 'host'}{path}?{urlencode(query)}")
    sentinels = {name: value for name, value in options.items() if name.startswith("ssl_")} | login
    return Target(form or "single", kind, options, seeds, service, sentinels)


def _option_problems(query: Mapping[str, str], base: str, form: str) -> list[Problem]:
    known = OPTIONS + (SENTINEL_OPTIONS if form == "sentinel" else ())
    problems = []
    for name, value in query.items():
        if "timeout" in name or "retry" in name:
            problems.append(Problem(WHERE, f"option '{name}' has no place here", "set features.timeout_ms"))
        elif name not in known:
            unknown = f"unknown option '{name}'{did_you_mean(name, known)}"
            problems.append(Problem(WHERE, unknown, "known are " + ", ".join(known)))
        elif name.startswith("ssl_") and base != "rediss":
            problems.append(Problem(WHERE, f"option '{name}' is for TLS", "begin the URL with rediss"))
        elif name in FILES and not Path(value).is_file():
            problems.append(Problem(WHERE, f"{name}: no file {value}", "the path of a PEM file"))
    return problems


def _addresses(hosts: str, default_port: int, problems: list[Problem]) -> tuple[Address, ...]:
    """Return the addresses. Their text is not repeated in a problem: it may be the half of a password."""
    seeds = []
    for host in hosts.split(","):
        try:
            parts = urlsplit("//" + host)
            seeds.append((parts.hostname or "localhost", default_port if parts.port is None else parts.port))
        except ValueError:
            expected = "HOST:PORT, special characters of user and password percent-encoded"
            problems.append(Problem(WHERE, "a host or its port cannot be read", expected))
    return tuple(seeds)


def _path(path: str, base: str, form: str, problems: list[Problem]) -> tuple[str, str]:
    """Return the sentinels' service, and the path that is left for redis-py to read."""
    if base == "unix":
        if not path:
            problems.append(Problem(WHERE, "no path of a socket", FORMS["unix"]))
        return "", path
    service, number = "", path.removeprefix("/")
    if form == "sentinel":
        service, _, number = number.partition("/")
        if not service:
            problems.append(Problem(WHERE, "no service is named", FORMS["redis+sentinel"]))
    if not re.fullmatch(r"\d*", number):
        problems.append(
            Problem(WHERE, f"database '{number}' is not a number", FORMS["redis" + "+" * bool(form) + form])
        )
    elif form == "cluster" and int(number or 0):
        problems.append(Problem(WHERE, f"database {number} of a cluster", "leave it out: a cluster has database 0"))
    return service, f"/{number}"


def _connection(url: str) -> tuple[type[AbstractConnection], dict[str, Any]]:
    """Return how redis-py connects, having made it check the options."""
    try:
        pool = ConnectionPool.from_url(url)
        pool.connection_class(**pool.connection_kwargs)
    except (RedisError, TypeError, ValueError) as error:
        raise Misconfigured([Problem(WHERE, str(error), "see the options of redis-py's URLs")]) from None
    options = {name: value for name, value in pool.connection_kwargs.items() if name in (*OPTIONS, "path")}
    return pool.connection_class, options
