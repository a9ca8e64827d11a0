"""The words for a wrong key or value, without secrets."""

from collections.abc import Iterable

from scorer.errors import suggestion
from scorer.settings.catalogue import Catalogue, Key
from scorer.settings.masking import masked

_LONGEST = 80  # most characters of a value in a message


def where(key: Key, place: str, item: str = "") -> str:
    """Return the position of a value for a message: its key, the item of a list (`[1]`), and its source."""
    return f"{'.'.join(key)}{item} ({place})" if key else place


def nearest_key(key: Key, catalogue: Catalogue) -> str:
    """Return a hint at the nearest known key: the same name elsewhere, or a similar name in the same group."""
    known = catalogue.beside(key)
    elsewhere = [setting.dotted for setting in known if setting.key[-1] == key[-1]]
    siblings = [setting.key[-1] for setting in known if setting.key[:-1] == key[:-1]]
    return f"did you mean '{elsewhere[0]}'?" if elsewhere else nearest_or_all(key[-1], siblings)


def nearest_or_all(name: str, known: Iterable[str]) -> str:
    """Return a hint at the nearest known name, or a list of all known names if none is near."""
    known = list(known)
    return suggestion(name, known) or f"known keys: {', '.join(known)}"


def show(key: Key, value: object, catalogue: Catalogue) -> str:
    """Return a value for a message: its secrets masked, and cut to fit on a line."""
    if isinstance(value, dict | list | tuple):
        return ("a" if value else "an empty") + (" map" if isinstance(value, dict) else " list")
    text = "null" if value is None else f"'{masked(key, str(value), catalogue)}'"
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 4]}...'"
