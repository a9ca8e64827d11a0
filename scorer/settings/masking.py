"""Masks secrets in settings before they are shown."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from scorer.redaction import MASK
from scorer.settings.catalogue import Key
from scorer.settings.groups import Settings
from scorer.settings.properties import SECRET, SECRET_VALUE

# Up to the last @, since a password may not be percent-encoded. Without a scheme, everything before the @.
_LOGIN = re.compile(r"\A(?P<before>[^:]*://[^:]*:|)(?P<secret>.*)@", re.DOTALL)
# Up to the next known option, since a password may contain a # or & that is not percent-encoded.
_NEXT = r"&(?:client_name|db|password(?:_file)?|sentinel_\w+|socket_keepalive|ssl_\w+|username)="
# Every option that is not known to be harmless is masked, since it may be a misspelled `password`.
_HARMLESS = (
    r"(?:client_name|db|(?:sentinel_)?(?:password_file|username)|socket_keepalive|"
    r"ssl_(?:c|exclude|include|keyfile|min)\w+)="
)
_OPTION = re.compile(rf"(?P<before>[?&](?!{_HARMLESS})[^=&?#]*=)(?P<secret>.*?)(?={_NEXT}|\Z)", re.DOTALL)
# A port that is not a number is probably a password: the host is missing.
_HOST = r"(?:\[[^\]]*\]|[^:@/?\[,]*)"
_PORT = re.compile(
    rf"\A(?P<before>[^:]*://(?:{_HOST}(?::\d*)?,)*{_HOST}:)(?P<secret>(?!\d*(?:[,/?]|\Z)|.*@).+)", re.DOTALL
)
# What a URL of Redis may look like once its passwords are masked. In any other, no one knows where a password stands.
_MASKED = re.escape(MASK)
_SHOWN_LOGIN = rf"(?:[\w.%~+-]*(?::{_MASKED})?@)?"
_SHOWN_HOST = rf"(?:\[[0-9A-Fa-f:.]*\]|[\w.-]*)(?::(?:\d*|{_MASKED}))?"
_SHOWN_HOSTS = rf"{_SHOWN_LOGIN}{_SHOWN_HOST}(?:,{_SHOWN_HOST})*"
_SHOWN = re.compile(
    rf"(?:rediss?(?:\+cluster)?://{_SHOWN_HOSTS}(?:/\d*)?|rediss?\+sentinel://{_SHOWN_HOSTS}(?:/[\w.-]+(?:/\d*)?)?|"
    rf"unix://{_SHOWN_LOGIN}(?:/[^?#@]*)?)(?:\?[^#]*)?|[\w.-]+:\d+(?:/\d*)?",
    re.ASCII,
)
_FORM = re.compile(r"\A(?:rediss?(?:\+cluster|\+sentinel)?|unix)://")
_PASSWORD = re.compile(r"(?<=:)[^:/@,]+(?=@)")  # of a login in one of several URLs
_SECRET_NAME = re.compile(
    r"passw|passphrase|(^|_)(pass|pw)(_|\Z)|pwd|secret|token|credential|api_?key|private", re.IGNORECASE
)


def masked(key: Key, value: str) -> str:
    """Return a value with its secrets masked: a whole property, or the passwords of a URL."""
    if key[:2] == ("kafka", "properties"):
        secret = SECRET.search(key[-1]) or SECRET_VALUE.search(value)
        return MASK if secret else _without_login(value)
    if key == ("features", "url"):
        shown, form = _without_passwords(value), _FORM.match(value)
        return shown if _SHOWN.fullmatch(shown) else f"{form[0] if form else ''}{MASK}"
    if key == ("registry", "user"):
        name, colon, _ = value.partition(":")
        return f"{name}:{MASK}" if colon else name
    if _is_credential(key):
        return MASK if value else ""
    return _without_login(value)


def mask(settings: Settings) -> dict[str, Any]:
    """Return the settings as plain data for JSON, by the keys of the file, with secrets masked."""
    return {name: _mask((name,), value) for name, value in settings.model_dump(mode="json", by_alias=True).items()}


def conceals(key: Key) -> bool:
    """Whether a value of this key is or may contain a secret."""
    if key in {("features", "url"), ("registry", "url"), ("registry", "user")} or _is_credential(key):
        return True
    return key[:2] == ("kafka", "properties") and bool(SECRET.search(key[-1]))


def secrets_in(key: Key, value: str) -> Iterator[str]:
    """Yield the secrets in a value, as written and decoded."""
    if key == ("features", "url"):
        found = [match["secret"] for match in (_login(value), *_OPTION.finditer(value)) if match]
    elif key[:2] == ("kafka", "properties") and (SECRET.search(key[-1]) or SECRET_VALUE.search(value)):
        found = [value]
    elif key == ("registry", "user"):
        found = [value.partition(":")[2]]
    elif key == ("registry", "url"):
        found = [match[0] for match in _PASSWORD.finditer(value)]
    elif _is_credential(key):
        found = [value]
    else:
        found = []
    for secret in found:
        yield secret
        yield unquote(secret)


def _is_credential(key: Key) -> bool:
    """Whether all of a value is a secret."""
    if key in {("registry", "token"), ("http", "token")}:
        return True
    return key[:2] == ("registry", "oauth") and bool(SECRET.search(key[-1]))


def is_secret(variable: str) -> bool:
    """Whether the name of an environment variable suggests that its value is a secret."""
    return _SECRET_NAME.search(variable) is not None


def _mask(key: Key, value: Any) -> Any:  # noqa: ANN401  a setting may be any plain data
    if isinstance(value, dict):
        return {name: _mask((*key, name), item) for name, item in value.items()}
    return masked(key, value) if isinstance(value, str) else value


def _login(url: str) -> re.Match[str] | None:
    scheme, there, _ = url.partition("://")
    if there and "@" in url and ":" not in url[len(scheme) + 3 : url.rindex("@")]:
        return None  # a user without a password
    return _LOGIN.search(url)


def _without_passwords(url: str) -> str:
    """Return a URL with its passwords masked; overlapping matches are masked as one."""
    spans = sorted(match.span("secret") for match in (_login(url), *_OPTION.finditer(url), _PORT.search(url)) if match)
    shown, at = "", 0
    for start, end in spans:
        shown += url[at:start] + MASK if start >= at else ""
        at = max(at, end)
    return shown + url[at:]


def _without_login(value: str) -> str:
    """Return a value other than `features.url` with the login of a URL in it masked."""
    return _without_passwords(value) if "://" in value and "@" in value else value
