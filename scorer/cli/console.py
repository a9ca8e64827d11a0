"""Where people read: text as it is, on stdout or stderr."""

from rich.console import Console


def console(*, stderr: bool = True) -> Console:
    """Return a console that changes no text: a key in Redis may look like markup, an emoji or a number, and be long."""
    return Console(stderr=stderr, highlight=False, soft_wrap=True, markup=False, emoji=False)
