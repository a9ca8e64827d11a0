"""Secrets, kept out of everything that is shown."""

import re
from typing import Any

from scorer.settings.catalogue import Key
from scorer.settings.groups import Settings
from scorer.settings.properties import SECRET

MASK = "********"
_IN_URL = re.compile(r"(?<=://)(?P<user>[^:@/?#]*):[^/?#]*@|(?P<name>[?&]password=)[^&#]*")


def masked(key: Key, value: str) -> str:
    """Return a value with what is secret in it replaced: a whole property, or the password of a URL."""
    if key[:2] == ("kafka", "properties"):
        return MASK if SECRET.search(key[-1]) else value
    return _IN_URL.sub(_without_password, value)


def mask(settings: Settings) -> dict[str, Any]:
    """Return the settings as plain data by the file's keys, ready for JSON, with the secrets masked."""
    document = settings.model_dump(mode="json", by_alias=True)
    return {name: _mask((name,), value) for name, value in document.items()}


def _mask(key: Key, value: Any) -> Any:  # noqa: ANN401  a setting may be any plain data
    if isinstance(value, dict):
        return {name: _mask((*key, name), item) for name, item in value.items()}
    return masked(key, value) if isinstance(value, str) else value


def _without_password(match: re.Match[str]) -> str:
    return f"{match['name']}{MASK}" if match["name"] else f"{match['user']}:{MASK}@"
