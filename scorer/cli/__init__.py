"""The command line: each command is a module here with `arguments(parser)` and `run(args) -> exit code`.

A module has the name of its command, with `_` for `-`. Only the module of the given command is imported, so that help
is quick, and only the commands of an extra need its packages.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import NoReturn

from scorer import __version__
from scorer.cli.lifecycle import failures
from scorer.cli.lifecycle.importing import imported
from scorer.cli.lifecycle.stopping import at_once, terminable
from scorer.errors import did_you_mean
from scorer.security.redaction import redact

GROUPS: Mapping[str, Mapping[str, str]] = {
    "First steps": {
        "demo": "watch real flights being scored, and every prediction checked at the end",
        "sandbox": "run a real Kafka and a real Redis on this machine until Ctrl-C",
    },
    "Prepare": {
        "init": "draft a configuration and a plan from a model and a schema",
        "check": "find problems before anything runs",
        "config": "show the effective settings and where each comes from",
        "topics": "show the topics, or create missing ones",
        "schemas": "show the versions in the schema registry, and what each provides for the plan",
        "models": "add, verify and compare versions of the model, and choose which are served",
        "features": "load features into Redis",
        "training-set": "join captured rows with their labels, to train the next version",
    },
    "Run": {
        "run": "score events until stopped; start more with the same group to scale out",
        "serve": "answer requests over HTTP, one prediction now, without Kafka",
        "score": "score files of events without Kafka",
        "backfill": "score a range of past events again, into a topic of its own",
        "sql": "run a query in which score(t) is the score of a row",
        "explain": "show which columns moved the score of an event, or of a file",
        "produce": "publish a file of events to the input topic",
    },
    "Watch": {
        "tail": "show predictions, those of shadows, dead letters or events as they arrive",
        "dead-letters": "list, show and replay events that could not be scored",
        "drift": "show which columns are not what the model was trained with",
        "lag": "show how far the group is behind",
        "labels": "join labels with predictions, and show how good the model is",
        "top": "show the whole group in the terminal, live",
        "page": "serve a live page of the whole group",
        "bench": "show where the time of an event goes, stage by stage",
    },
}
COMMANDS = {name: text for group in GROUPS.values() for name, text in group.items()}
_OPTIONS = {"-h, --help": "this help; `scorer COMMAND --help` has the options of a command", "--version": "the version"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: the words after `scorer`; by default those of this process.

    Returns:
        0 done, or stopped by SIGTERM or Ctrl-C; 2 wrong usage or configuration; 1 anything else.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    with terminable():
        try:
            code = _dispatch(words)
            sys.stdout.flush()
        except BaseException as error:  # noqa: BLE001  nothing ends in a traceback
            return failures.explain(error, words)
        return code


class _Parser(argparse.ArgumentParser):
    """A parser whose error messages show no password from an unknown argument."""

    def error(self, message: str) -> NoReturn:
        super().error(redact(message))


def _dispatch(words: Sequence[str]) -> int:
    name = words[0] if words else ""
    if name in COMMANDS:
        return _run(name, words[1:])
    if name in {"-h", "--help", "--version"}:
        sys.stdout.write(f"scorer {__version__}\n" if name == "--version" else _help())
        return 0
    if not name:
        sys.stderr.write(_help())
        return 2
    hint = did_you_mean(name, COMMANDS) or "; `scorer --help` lists the commands"
    return failures.usage(f"unknown command '{name}'{hint}")


def _run(name: str, words: Sequence[str]) -> int:
    with at_once():
        command = imported(f"scorer.cli.{name.replace('-', '_')}")
    parser = _Parser(prog=f"scorer {name}", description=COMMANDS[name], allow_abbrev=False)
    command.arguments(parser)
    parser.add_argument("--traceback", action="store_true", help="show where in the code an error comes from")
    code: int = command.run(parser.parse_args(words))
    return code


def _help() -> str:
    lines = ["usage: scorer COMMAND [OPTIONS]", "", "Score Avro events from Kafka with an XGBoost model, losing none."]
    for title, items in [*GROUPS.items(), ("Options", _OPTIONS)]:
        lines += ["", f"{title}:", *(f"  {name:<14}{text}" for name, text in items.items())]
    return "\n".join([*lines, ""])
