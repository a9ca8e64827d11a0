"""Names of columns, fields and keys, compared as their words: `tripDistance` and `trip_distance` are alike."""

import re

_HUMPS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_WORD = re.compile(r"[^\W_]+")
IDENTIFIERS = frozenset({"id", "key", "code", "number", "num", "no", "nr", "uuid", "guid", "ref", "hash"})


def words(name: str) -> tuple[str, ...]:
    """Return the words of a name, in lower case."""
    return tuple(_WORD.findall(_HUMPS.sub(" ", name).lower()))


def alike(name: str) -> str:
    """Return a text that is the same for names that differ only in style."""
    return "".join(words(name))


def singular(word: str) -> str:
    """Return a word without the ending of a plural."""
    if word.endswith("ies") and len(word) > len("ties"):
        return word[:-3] + "y"
    return word[:-1] if len(word) > len("its") and word.endswith("s") and not word.endswith("ss") else word


def stem(path: str) -> tuple[str, ...]:
    """Return the words that say what a field identifies: `driver` for `driver_id` and `driver.id`."""
    found = list(words(path))
    while len(found) > 1 and found[-1] in IDENTIFIERS:
        found.pop()
    return tuple(map(singular, found))


def endings(path: str) -> list[str]:
    """Return a dotted path and its endings, each as `alike` writes it: the whole first, the last field at the end."""
    steps = path.split(".")
    return ["".join(map(alike, steps[at:])) for at in range(len(steps))]
