"""`scorer config`: the effective settings with the source of each, secrets masked."""

import argparse
import json
import sys
from collections.abc import Mapping

from rich.text import Text

from scorer.cli.lifecycle import options
from scorer.cli.shown.console import console
from scorer.security.printable import printable_json
from scorer.settings import mask


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    options.add_config(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON document: settings, sources")


def run(args: argparse.Namespace) -> int:
    """Print the settings."""
    loaded = options.load(args)
    settings = mask(loaded.settings)
    if args.json:
        sys.stdout.write(printable_json({"settings": settings, "sources": loaded.sources}, indent=2) + "\n")
    else:
        _print(_flat(settings), loaded.sources)
    return 0


def _print(values: Mapping[str, object], sources: Mapping[str, str]) -> None:
    """Print one line for each setting, with the value last since it may be long; defaults are dim."""
    show = console(stderr=False).print
    key_width, source_width = max(map(len, sources)), max(map(len, sources.values()))
    for key, source in sources.items():
        value = values[key] if isinstance(values[key], str) else json.dumps(values[key])
        line = f"{key:<{key_width}}  {source:<{source_width}}  {value}"
        show(Text(line, style="dim" if source == "default" else ""))


def _flat(values: Mapping[str, object], above: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for name, value in values.items():
        flat |= _flat(value, f"{above}{name}.") if isinstance(value, dict) and value else {above + name: value}
    return flat
