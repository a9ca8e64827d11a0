"""`scorer tail`: show predictions, those of shadows, dead letters or events as they arrive, or from the beginning."""

import argparse
import sys
from contextlib import closing
from itertools import islice

from scorer.cli.lifecycle import options
from scorer.cli.shown.console import console
from scorer.cli.shown.views import VIEWS
from scorer.kafka import Reader
from scorer.security.printable import printable_json


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    options.add_config(parser)
    parser.add_argument("what", nargs="?", choices=VIEWS, default="predictions", help="default: predictions")
    parser.add_argument("-n", type=options.positive, metavar="N", dest="limit", help="stop after N records")
    parser.add_argument(
        "--from",
        choices=("beginning", "end"),
        default="end",
        dest="start",
        help="end (default): records that arrive from now on, until Ctrl-C; beginning: records that exist now, or with "
        "-n the first N, waiting for them if needed",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document a line")


def run(args: argparse.Namespace) -> int:
    """Show records up to the limit or until Ctrl-C, without joining a group or committing.

    Raises:
        Unavailable: the brokers do not answer.
        Fatal: a topic is missing.
    """
    settings = options.load(args).settings
    view = VIEWS[args.what](settings)
    show = console(stderr=False).print
    follow = args.start == "end" or args.limit is not None
    with closing(Reader(settings.kafka, view.topics)) as reader:
        for record in islice(reader.read(args.start, follow=follow), args.limit):
            document = view.document(record)
            if args.json:
                sys.stdout.write(printable_json(document) + "\n")
                sys.stdout.flush()
            else:
                show(view.line(record, document))
    return 0
