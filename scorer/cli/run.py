"""`scorer run`: one replica, until SIGTERM or Ctrl-C."""

import argparse
import os

from scorer.cli.lifecycle import options
from scorer.monitor import configure_logging
from scorer.replica import app


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    options.add_config(parser)


def run(args: argparse.Namespace) -> int:
    """Run a replica; return the exit code."""
    settings = options.load(args).settings
    configure_logging(settings.log.level, settings.log.format)
    if not app.run(settings):
        # The client is still waiting for brokers that are down, and would keep the interpreter from exiting.
        os._exit(0)
    return 0
