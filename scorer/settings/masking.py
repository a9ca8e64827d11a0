"""Secrets, kept out of everything that is shown."""

import re
from typing import Any

from scorer.settings.catalogue import Key
from scorer.settings.groups import Settings
from scorer.settings.properties import SECRET

MASK = "********"
# To the last @: a password that was not percent-encoded is still one. Without a scheme, all before it.
_LOGIN = re.compile(r"\A(?P<before>[^:]*://[^:]*:|).*@", re.DOTALL)
_OPTION = re.compile(r"(?P<before>[?&]\w*password=)[^&#]*")


def masked(key: Key, value: str) -> str:
    """Return a value with what is secret in it replaced: a whole property, or the passwords of a URL."""
    if key[:2] == ("kafka", "properties"):
        return MASK if SECRET.search(key[-1]) else value
    return _without_passwords(value) if key == ("features", "url") else value


def mask(settings: Settings) -> dict[str, Any]:
    """Return the settings as plain data by the file's keys, ready for JSON, with the secrets masked."""
    return {name: _mask((name,), value) for name, value in settings.model_dump(mode="json", by_alias=True).items()}


def _mask(key: Key, value: Any) -> Any:  # noqa: ANN401  a setting may be any plain data
    if isinstance(value, dict):
        return {name: _mask((*key, name), item) for name, item in value.items()}
    return masked(key, value) if isinstance(value, str) else value


def _without_passwords(url: str) -> str:
    scheme, there, _ = url.partition("://")
    if there and "@" in url and ":" not in url[len(scheme) + 3 : url.rindex("@")]:
        return _OPTION.sub(rf"\g<before>{MASK}", url)  # a user without a password
    return _OPTION.sub(rf"\g<before>{MASK}", _LOGIN.sub(rf"\g<before>{MASK}@", url, count=1))
