"""Masks secrets in settings before they are shown."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from scorer.security.redaction import MASK
from scorer.settings.catalogue import CATALOGUE, Catalogue, Key, catalogue_of
from scorer.settings.groups import Settings
from scorer.settings.kinds import Secret
from scorer.settings.properties import SECRET, SECRET_VALUE

# Up to the last @, since a password may not be percent-encoded. Without a scheme, everything before the @.
_LOGIN = re.compile(r"\A(?P<before>[^:]*://[^:]*:|)(?P<secret>.*)@", re.DOTALL)
# Up to the next known option, since a password may contain a # or & that is not percent-encoded.
_NEXT = r"&(?:client_name|db|password(?:_file)?|sentinel_\w+|socket_keepalive|ssl_\w+|username)="
# Every option that is not known to be harmless is masked, since it may be a misspelled `password`.
_HARMLESS = (
    r"(?:client_name|db|(?:sentinel_)?(?:password_file|username)|socket_keepalive|ssl_(?:ca_(?:certs|data|path)|"
    r"cert_reqs|certfile|check_hostname|ciphers|(?:exclude|include)_verify_flags|keyfile|min_version))="
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


def masked(key: Key, value: str, catalogue: Catalogue = CATALOGUE) -> str:
    """Return a value with its secrets masked; where its setting says nothing of secrets, the login of a URL."""
    secret = _secret(key, value, catalogue)
    if secret is Secret.WHOLE:
        return MASK if value else ""
    if secret is Secret.LOGIN:
        name, colon, _ = value.partition(":")
        return f"{name}:{MASK}" if colon else name
    if secret is Secret.REDIS_URL:
        shown, form = _without_passwords(value), _FORM.match(value)
        return shown if _SHOWN.fullmatch(shown) else f"{form[0] if form else ''}{MASK}"
    return _without_login(value)


def mask(settings: Settings) -> dict[str, Any]:
    """Return the settings as plain data for JSON, by the keys of the file, with secrets masked."""
    shown: dict[str, Any] = _mask((), settings.model_dump(mode="json", by_alias=True), catalogue_of(type(settings)))
    return shown


def conceals(key: Key, catalogue: Catalogue = CATALOGUE) -> bool:
    """Whether a value of this key is or may contain a secret."""
    return _secret(key, "", catalogue) is not None


def secrets_in(key: Key, value: str, catalogue: Catalogue = CATALOGUE) -> Iterator[str]:
    """Yield the secrets in a value, as written and decoded."""
    found: list[str] = []
    match _secret(key, value, catalogue):
        case Secret.WHOLE:
            found = [value]
        case Secret.LOGIN:
            found = [value.partition(":")[2]]
        case Secret.URLS:
            found = _PASSWORD.findall(value)
        case Secret.REDIS_URL:
            found = [match["secret"] for match in (_login(value), *_OPTION.finditer(value)) if match]
    for secret in found:
        yield secret
        yield unquote(secret)


def _secret(key: Key, value: str, catalogue: Catalogue) -> Secret | None:
    """Return which part of a value is a secret; for an entry of a map, its name and its text decide."""
    secret = catalogue.around(key).secret
    if secret is Secret.PROPERTIES:
        return Secret.WHOLE if SECRET.search(key[-1]) or SECRET_VALUE.search(value) else None
    return secret


def is_secret(variable: str) -> bool:
    """Whether the name of an environment variable suggests that its value is a secret."""
    return _SECRET_NAME.search(variable) is not None


def _mask(key: Key, value: Any, catalogue: Catalogue) -> Any:  # noqa: ANN401  a setting may be any plain data
    if isinstance(value, dict):
        return {name: _mask((*key, name), item, catalogue) for name, item in value.items()}
    return masked(key, value, catalogue) if isinstance(value, str) else value


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
