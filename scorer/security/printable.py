"""Data as text that is safe to print: characters that a terminal would obey, or not show, are escaped."""

import json
import unicodedata

# Control characters (a terminal obeys escape sequences), marks that reorder a line, line and paragraph separators, and
# surrogates, which no output can encode.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_JOINERS = "\u200c\u200d"  # category Cf, but part of ordinary words and emoji


def printable(text: str, keep: str = "") -> str:
    r"""Return text with every unseen character escaped as Python writes it, such as `\x1b` for ESC.

    Args:
        text: text from any source.
        keep: characters that stay as they are, such as a newline in a text of several lines.
    """
    if text.isprintable():
        return text
    return "".join(char if _is_seen(char, keep) else _escaped(char) for char in text)


def printable_json(document: object, indent: int | None = None) -> str:
    """Return JSON that reads back as the same document, with every unseen character escaped."""
    text = json.dumps(document, ensure_ascii=False, indent=indent)
    if text.isprintable():
        return text
    return "".join(char if _is_seen(char, "\n") else json.dumps(char)[1:-1] for char in text)


def _is_seen(char: str, keep: str) -> bool:
    return unicodedata.category(char) not in _UNSEEN or char in _JOINERS or char in keep


def _escaped(char: str) -> str:
    return char.encode("unicode_escape", "surrogatepass").decode("ascii")
