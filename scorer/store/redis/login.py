"""Splits `features.url` into login, hosts, path and options, and finds characters that must be percent-encoded.

The text of a login is never shown, and never passed to urllib, whose errors quote their input.
"""

import re
import unicodedata
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, unquote_to_bytes

from scorer.errors import Misconfigured, Problem
from scorer.security import redaction

WHERE = "features.url"
ENCODE = "percent-encode special characters of user and password"
_BREAKING = "/?#"  # these end the hosts, and so cut a password in which they are not encoded
_RESERVED = "[]"  # reserved for IPv6 addresses
_DELIMITERS = set("/?#@:")


@dataclass(frozen=True, slots=True)
class Pieces:
    """The parts of a URL after its scheme.

    login:   user name and password, decoded, if the URL has them.
    hosts:   the text between the login and the path.
    path:    the path as in the URL, with its slash.
    options: the options in the query, decoded.
    """

    login: dict[str, str]
    hosts: str
    path: str
    options: dict[str, str]


def divide(rest: str, *, socket: bool) -> Pieces:
    """Split the part of a URL after `://`.

    Args:
        rest:   the part after `://`.
        socket: whether it is the URL of a Unix socket, whose path may contain an @.

    Raises:
        Misconfigured: a character must be percent-encoded.
    """
    if not rest.isascii() and any("\ud800" <= sign <= "\udfff" for sign in rest):
        raise Misconfigured([Problem(WHERE, "has bytes that are not UTF-8", "percent-encode them, or write UTF-8")])
    cut = re.search(r"[/?#]", rest)
    authority, behind = (rest[: cut.start()], rest[cut.start() :]) if cut else (rest, "")
    user, _, hosts = authority.rpartition("@")
    if "@" in behind and (not socket or hosts):
        raise Misconfigured([_stray(rest[: rest.rindex("@")])])
    if "#" in behind:
        raise Misconfigured([_encode("#", "is in it, so everything after it would be ignored")])
    _check(user)
    path, _, query = behind.partition("?")
    name, colon, password = user.partition(":")
    login = {"username": _decoded(name)} if name else {}
    login |= {"password": _decoded(password)} if colon and password else {}
    options = _options(query)
    redaction.learn(*(value for option, value in (login | options).items() if option.endswith("password")))
    redaction.learn(password)
    return Pieces(login, hosts, path, options)


def _stray(before: str) -> Problem:
    """Return the problem of an @ after the host: the text before it cannot all be a login."""
    sign = next((sign for sign in _BREAKING if sign in before), "/")
    expected = f"{ENCODE}: '{sign}' is {quote(sign, safe='')} there, and an '@' past the host is %40"
    return Problem(WHERE, f"'{sign}' is before an '@'", expected)


def _check(user: str) -> None:
    for sign in user:
        if sign in _RESERVED or sign.isspace() or not sign.isprintable():
            raise Misconfigured([_encode(sign, "is in the user or the password")])
        if not sign.isascii() and _DELIMITERS & set(unicodedata.normalize("NFKC", sign)):
            what = "is in the user or the password, and Unicode normalization turns it into a part of an address"
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
    except ValueError:  # the escapes are not UTF-8; the error's text would show them
        what = "the percent escapes of an option are not UTF-8"
        expected = "percent-encode it as UTF-8; a percent sign itself is %25"
        raise Misconfigured([Problem(WHERE, what, expected)]) from None
