"""Consoles for people: plain text on stdout or stderr."""

from typing import Any

from rich.console import Console
from rich.text import Text

from scorer.security.printable import printable

LAYOUT = "\n\t"  # control characters that only lay text out


def console(*, stderr: bool = True) -> Console:
    """Return a console that changes no text: a key in Redis may be long, or look like markup, an emoji or a number.

    Only control characters are escaped: otherwise a record, a key or an error message could control the terminal.
    """
    return _Console(stderr=stderr, highlight=False, soft_wrap=True, markup=False, emoji=False)


class _Console(Console):
    def print(self, *objects: Any, **options: Any) -> None:  # noqa: ANN401  rich's own
        """Print texts, control characters escaped."""
        super().print(*map(_harmless, objects), **options)


def _harmless(shown: object) -> object:
    if isinstance(shown, str):
        return printable(shown, LAYOUT)
    if isinstance(shown, Text) and not shown.plain.isprintable():
        characters = shown.divide(range(1, len(shown)))
        for character in characters:
            character.plain = printable(character.plain, LAYOUT)
        return Text().join(characters)
    return shown
