"""The options that commands share."""

import argparse
from datetime import UTC, datetime
from pathlib import Path

from scorer import settings
from scorer.errors import Problem

CONFIGURATION = Path("scorer.yaml")  # unless -c names another


def add_config(parser: argparse.ArgumentParser) -> None:
    """Declare the options that say where the settings come from."""
    parser.add_argument(
        "-c",
        "--config",
        type=Path,
        default=CONFIGURATION,
        metavar="FILE",
        help="the configuration file (default: scorer.yaml)",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="overrides",
        metavar="PATH=VALUE",
        help="change one setting, such as batch.max_records=100; may be repeated",
    )


def add_action(
    actions: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, text: str
) -> argparse.ArgumentParser:
    """Declare an action of a command, with the options that all of them share."""
    escaped = text.replace("%", "%%")  # argparse formats the help, and not the description
    action: argparse.ArgumentParser = actions.add_parser(name, help=escaped, description=text, allow_abbrev=False)
    add_config(action)
    action.add_argument("--traceback", action="store_true", help="show where in the code an error comes from")
    return action


def load(args: argparse.Namespace, left_out: list[Problem] | None = None, *, streaming: bool = True) -> settings.Loaded:
    """Return the settings that the options name; `left_out` and `streaming` as in `settings.load`.

    Raises:
        Misconfigured: with every problem.
    """
    return settings.load(args.config, overrides=args.overrides, left_out=left_out, streaming=streaming)


def positive(text: str) -> int:
    """Parse a whole number above 0, as the type of an argparse option."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def moment(text: str) -> int:
    """Parse a time, in UTC unless it says otherwise, as milliseconds since the epoch: the type of an option."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time of ISO 8601, such as 2026-11-01T06:00Z") from None
    return round((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1000)
