"""The answer of an action of `scorer models`: how it is made, and for people one fact a line, then tables."""

import argparse
from collections.abc import Callable, Mapping
from typing import Any

from rich.text import Text

from scorer.cli.shown.console import console
from scorer.cli.shown.table import aligned, in_line
from scorer.settings import Settings

Answer = dict[str, Any]  # what `--json` prints
Act = Callable[[Settings, argparse.Namespace], Answer]
Declare = Callable[[str, str, Act], argparse.ArgumentParser]  # takes the name, the help and the action


def show(answer: Mapping[str, Any]) -> None:
    """Print one fact a line, then each list of objects as a table."""
    people = console(stderr=False).print
    things = {
        name: value
        for name, value in answer.items()
        if isinstance(value, list) and value and isinstance(value[0], dict)
    }
    width = max(len(name) for name in answer) + 2
    for name, value in answer.items():
        if name not in things and value is not None:
            text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else in_line(value)
            people(Text(f"{name.replace('_', ' '):<{width}}{text}"))
    for rows in things.values():
        names = list(dict.fromkeys(name for row in rows for name in row))
        head, *lines = aligned(
            [name.replace("_", " ") for name in names], [[_cell(row.get(name)) for name in names] for row in rows]
        )
        people()
        people(head, style="bold")
        for line in lines:
            people(line)


def _cell(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return "" if value is None or value is False else "yes" if value is True else str(value)
