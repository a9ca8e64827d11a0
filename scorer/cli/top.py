"""`scorer top`: the whole group in a terminal, live."""

import argparse
import sys
import time

from rich.console import Console
from rich.live import Live

from scorer.cli.lifecycle import options
from scorer.cli.shown.console import console
from scorer.model import repository_at
from scorer.page.feed import Feed
from scorer.page.group import watched
from scorer.page.terminal import line, screen
from scorer.security.printable import printable_json

LOOK_SECONDS = 1.0  # between two screens
LINE_SECONDS = 5.0  # between two lines in a pipe
PATIENCE_SECONDS = 6.0  # for the figures of `--once` to be rates: two looks at the offsets


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    options.add_config(parser)
    parser.add_argument("--once", action="store_true", help="show the group once, and end")
    parser.add_argument("--json", action="store_true", help="print a JSON document, with --once, or one a line")


def run(args: argparse.Namespace) -> int:
    """Show the group until Ctrl-C, or once.

    Raises:
        Unavailable: the brokers do not answer.
        Fatal: an input topic is missing.
    """
    settings = options.load(args).settings
    with watched(settings, repository_at(settings.model.path).name) as feed:
        shown = console(stderr=False)
        if args.once:
            _once(feed, shown, as_json=args.json)
        elif args.json or not shown.is_terminal:
            _lines(feed, shown, as_json=args.json)
        else:
            _live(feed, shown)
    return 0


def _once(feed: Feed, shown: Console, *, as_json: bool) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while feed.document()["rates"]["events"] is None and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS / 10)
    if as_json:
        sys.stdout.write(printable_json(feed.document(), indent=2) + "\n")
    else:
        shown.print(screen(feed.document(), shown.width))


def _lines(feed: Feed, shown: Console, *, as_json: bool) -> None:
    while True:
        document = feed.document()
        if as_json:
            document.pop("series")
            sys.stdout.write(printable_json(document) + "\n")
        else:
            shown.print(line(document))
        sys.stdout.flush()
        time.sleep(LINE_SECONDS)


def _live(feed: Feed, shown: Console) -> None:
    with Live(console=shown, auto_refresh=False, screen=True) as live:
        while True:
            live.update(screen(feed.document(), shown.width, shown.height), refresh=True)
            time.sleep(LOOK_SECONDS)
