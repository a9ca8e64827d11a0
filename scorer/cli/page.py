"""`scorer page`: the whole group in a browser, live, until Ctrl-C."""

import argparse
import time
from typing import NoReturn

from scorer.cli.lifecycle import options
from scorer.cli.shown.console import console
from scorer.model import repository_at
from scorer.monitor import Health, serve
from scorer.page.group import watched
from scorer.page.site import HOME, Site
from scorer.settings import HttpSettings

PORT = 9465
LOOK_SECONDS = 0.5  # between two looks for a signal: a wait without an end may sleep through one that comes just before


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    options.add_config(parser)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument(
        "--port", type=int, default=PORT, help="port to listen on; 0 takes any free one (default: %(default)s)"
    )


def run(args: argparse.Namespace) -> NoReturn:
    """Serve the page until a signal; its token and its certificate are those of `http`.

    Raises:
        Misconfigured: the files of the token or the certificate cannot be used.
        Unavailable: the brokers do not answer.
        Fatal: an input topic is missing, or the server cannot listen on the address.
    """
    settings = options.load(args).settings
    http = (settings.http or HttpSettings()).model_copy(update={"host": args.host, "port": args.port})
    with watched(settings, repository_at(settings.model.path).name) as feed:
        health = Health(limit_s=float("inf"))
        health.heartbeat()
        with serve(http, None, health, Site(feed, at_home=True), "--port") as server:
            console(stderr=False).print(f"{settings.kafka.group_id}, live: {server.url}{HOME}")
            while True:
                time.sleep(LOOK_SECONDS)
