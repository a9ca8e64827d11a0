"""`scorer serve`: answer requests over HTTP, until SIGTERM or Ctrl-C."""

import argparse
import os
import tempfile
from pathlib import Path

import structlog

from scorer import rest
from scorer.cli.lifecycle import options
from scorer.monitor import configure_logging

log = structlog.get_logger()


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    options.add_config(parser)


def run(args: argparse.Namespace) -> int:
    """Serve; return the exit code.

    Without a configuration it looks into the folders in which platforms put models; see `docs/rest.md`.
    """
    with tempfile.TemporaryDirectory(prefix="scorer-") as downloads:
        return _serve(args, Path(downloads))


def _serve(args: argparse.Namespace, downloads: Path) -> int:
    absent = args.config == options.CONFIGURATION and not args.config.exists()
    found = rest.find(os.environ, downloads) if absent else None
    if found is not None:
        args.config, args.overrides = found.config, [*found.overrides, *args.overrides]
    settings = options.load(args, streaming=False).settings
    configure_logging(settings.log.level, settings.log.format)
    if found is not None:
        log.info(
            "configured by the model folder", folder=str(found.folder), settings=found.overrides or str(found.config)
        )
    rest.run(settings, os.environ)
    return 0
