"""Names of columns, fields and keys, compared as their words: `tripDistance` and `trip_distance` are alike."""

import re
from collections.abc import Iterator

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


_VERSION = re.compile(r"[a-z]?[0-9]+[a-z]?")  # v1, 7d
_GENERAL = frozenset(  # words that say nothing of what a key identifies
    words(
        "agg aggregate aggregates by count counts daily data feat feats feature features h hash history hourly info "
        "last meta metric metrics offline online per profile profiles recent rolling score scores set stat stats "
        "statistics store summary total totals v window"
    )
)


def is_named(label: str, path: str) -> bool:
    """Whether a field identifies what a text in a key names: `driver_id` and `driver.id` what `drivers` does."""
    said = tuple(map(singular, words(label)))
    return bool(said) and said in _stems(path)


def is_among(label: str, path: str) -> bool:
    """Whether a text in a key names what a field identifies, and nothing else: `driver_stats_7d` names `driver`.

    `driver_orders` may be orders as well as drivers.
    """
    said = [word for word in words(label) if word not in _GENERAL and not _VERSION.fullmatch(word)]
    return tuple(map(singular, said)) in _stems(path)


def _stems(path: str) -> Iterator[tuple[str, ...]]:
    steps = path.split(".")
    for at in range(len(steps)):
        found = stem(".".join(steps[at:]))
        if not set(found) <= IDENTIFIERS:
            yield found
