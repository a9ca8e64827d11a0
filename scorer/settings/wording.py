"""What is said of a wrong key or value, in plain words and without secrets."""

from collections.abc import Iterable

from scorer.errors import suggestion
from scorer.settings.catalogue import CATALOGUE, Key
from scorer.settings.masking import masked

_LONGEST = 80  # characters of a value that a line still takes


def where(key: Key, place: str, item: str = "") -> str:
    """Return where a value stands: its key, which item of a list (`[1]`), and the place that gave it."""
    return f"{'.'.join(key)}{item} ({place})" if key else place


def nearest_key(key: Key) -> str:
    """Suggest a known key for an unknown one: the same name elsewhere, or a similar one in its group."""
    elsewhere = [setting.dotted for other, setting in CATALOGUE.items() if other[-1:] == key[-1:]]
    siblings = [other[-1] for other in CATALOGUE if other and other[:-1] == key[:-1]]
    return f"did you mean '{elsewhere[0]}'?" if elsewhere else nearest_or_all(key[-1], siblings)


def nearest_or_all(name: str, known: Iterable[str]) -> str:
    """Suggest the nearest known name, or list all where none is near."""
    known = list(known)
    return suggestion(name, known) or f"known here: {', '.join(known)}"


def show(key: Key, value: object) -> str:
    """Return a value as an error shows it: its secrets masked, short enough for a line."""
    if isinstance(value, dict | list | tuple):
        return ("a" if value else "an empty") + (" map" if isinstance(value, dict) else " list")
    text = "null" if value is None else f"'{masked(key, str(value))}'"
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 4]}...'"
