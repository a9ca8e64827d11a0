"""`scorer serve`: answer requests over HTTP, until SIGTERM or Ctrl-C."""

import argparse
import os

from scorer import rest
from scorer.cli import options
from scorer.monitor import configure_logging


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    options.add_config(parser)


def run(args: argparse.Namespace) -> int:
    """Serve; return the exit code."""
    settings = options.load(args, streaming=False).settings
    configure_logging(settings.log.level, settings.log.format)
    rest.run(settings, os.environ)
    return 0
