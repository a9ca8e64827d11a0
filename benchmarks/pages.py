"""The tables of a page in Markdown."""

import sys

from rich import box
from rich.console import Console
from rich.table import Table


def table(subject: str, *titles: str) -> Table:
    """Return a table with a column of names and others of figures; it has no rows yet."""
    empty = Table(box=box.MARKDOWN)
    empty.add_column(subject, no_wrap=True)
    for title in titles:
        empty.add_column(title, justify="right", no_wrap=True)
    return empty


def output() -> Console:
    """Return standard output, wide enough for tables if it is no terminal."""
    return Console(width=None if sys.stdout.isatty() else 200)
