"""The parts of `features.url`: login, hosts, path and options, and which character of a password must be encoded.

The text of a login is never repeated, and urllib is not given one: its errors quote what they refuse.
"""

import re
import unicodedata
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, unquote_to_bytes

from scorer import redaction
from scorer.errors import Misconfigured, Problem

WHERE = "features.url"
ENCODE = "percent-encode special characters of user and password"
_BREAKING = "/?#"  # end the hosts, and so cut a password that is not encoded
_RESERVED = "[]"  # of IPv6 addresses
_DELIMITERS = set("/?#@:")


@dataclass(frozen=True, slots=True)
class Pieces:
    """A URL behind its scheme.

    login:   user name and password as the server gets them; only what the URL has.
    hosts:   between the login and the path.
    path:    as it stands in the URL, with the slash.
    options: of the query, decoded.
    """

    login: dict[str, str]
    hosts: str
    path: str
    options: dict[str, str]


def divide(rest: str, *, socket: bool) -> Pieces:
    """Divide what stands behind `://`.

    Args:
        rest:   that.
        socket: whether it is the URL of a Unix socket, whose path may have an @ in it.

    Raises:
        Misconfigured: a character stands where it must be encoded.
    """
    if not rest.isascii() and any("\ud800" <= sign <= "\udfff" for sign in rest):
        raise Misconfigured([Problem(WHERE, "has bytes that are not UTF-8", "percent-encode them, or write UTF-8")])
    cut = re.search(r"[/?#]", rest)
    authority, behind = (rest[: cut.start()], rest[cut.start() :]) if cut else (rest, "")
    user, _, hosts = authority.rpartition("@")
    if "@" in behind and (not socket or hosts):
        raise Misconfigured([_stray(rest[: rest.rindex("@")])])
    if "#" in behind:
        raise Misconfigured([_encode("#", "stands in it, and what is behind it would be left out")])
    _check(user)
    path, _, query = behind.partition("?")
    name, colon, password = user.partition(":")
    login = {"username": _decoded(name)} if name else {}
    login |= {"password": _decoded(password)} if colon and password else {}
    options = _options(query)
    redaction.learn(*(value for option, value in (login | options).items() if "password" in option))
    redaction.learn(password)
    return Pieces(login, hosts, path, options)


def _stray(before: str) -> Problem:
    """Return the problem that an @ stands behind the host: what is before it cannot all be a login."""
    sign = next((sign for sign in _BREAKING if sign in before), "/")
    expected = f"{ENCODE}: '{sign}' is {quote(sign, safe='')} there, and an '@' behind the host is %40"
    return Problem(WHERE, f"'{sign}' stands before an '@'", expected)


def _check(user: str) -> None:
    for sign in user:
        if sign in _RESERVED or sign.isspace() or not sign.isprintable():
            raise Misconfigured([_encode(sign, "stands in the user or the password")])
        if not sign.isascii() and _DELIMITERS & set(unicodedata.normalize("NFKC", sign)):
            what = "stands in the user or the password, and what normalizes Unicode reads it as part of an address"
            raise Misconfigured([_encode(sign, what)])


def _encode(sign: str, what: str) -> Problem:
    shown = f"'{sign}'" if sign.isprintable() and not sign.isspace() else "a blank or control character"
    return Problem(WHERE, f"{shown} {what}", f"percent-encode it, as {quote(sign, safe='', errors='surrogatepass')}")


def _decoded(text: str) -> str:
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeError:
        what = "the percent escapes of user and password are not UTF-8"
        raise Misconfigured([Problem(WHERE, what, f"{ENCODE} as UTF-8; a percent sign itself is %25")]) from None


def _options(query: str) -> dict[str, str]:
    try:
        return dict(parse_qsl(query, keep_blank_values=True, errors="strict"))
    except ValueError:  # of escapes that are not UTF-8; its text would repeat them
        what = "the percent escapes of an option are not UTF-8"
        expected = "percent-encode it as UTF-8; a percent sign itself is %25"
        raise Misconfigured([Problem(WHERE, what, expected)]) from None
