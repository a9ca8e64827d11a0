"""`scorer init`: draft a configuration and a plan from a model and a schema, every guess marked."""

import argparse
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

from rich.text import Text

from scorer.cli.shown.console import console
from scorer.cli.shown.table import aligned
from scorer.errors import Misconfigured, Problem
from scorer.init import Draft, Guess, Inputs, draft
from scorer.monitor import configure_logging
from scorer.security.printable import printable_json
from scorer.security.redaction import redact

HEADER = ("COLUMN", "SOURCE", "CONFIDENCE", "WHY")
_COLOURS = {"high": "green", "good": "", "open": "yellow"}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("--model", required=True, type=Path, metavar="FILE", help="a model, or a bundle")
    schema = parser.add_mutually_exclusive_group(required=True)
    schema.add_argument("--schema", type=Path, metavar="FILE", help="the Avro schema of the events")
    schema.add_argument(
        "--registry", metavar="URL", help="the schema registry that has it; a login comes from SCORER_REGISTRY__*"
    )
    parser.add_argument("--subject", help="the subject of the events' schema in the registry")
    parser.add_argument("--redis", metavar="URL", help="the Redis with the features; it is only read")
    parser.add_argument("--events", type=Path, metavar="FILE", help="sample events, .jsonl or .avro")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path(),
        metavar="DIR",
        help="the folder of scorer.yaml and plan.yaml (default: .)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def run(args: argparse.Namespace) -> int:
    """Write both files, and show what was found; files that exist are never overwritten.

    Raises:
        Misconfigured: an input is wrong, or a file exists.
        Unavailable: Redis or the registry does not answer.
    """
    configure_logging("error", "auto")
    if (args.registry is None) != (args.subject is None):
        raise Misconfigured([Problem("--subject", "goes with --registry", "give both, or --schema FILE")])
    inputs = Inputs(args.model, args.schema, args.registry, args.subject, args.redis, args.events, args.output)
    made = draft(inputs)
    made.write()
    problems = made.problems()
    if args.json:
        sys.stdout.write(printable_json(_document(made, problems), indent=2) + "\n")
    else:
        _print(made, problems, args.output)
    return 0


def _print(made: Draft, problems: list[Problem], output: Path) -> None:
    say = console().print
    head, *lines = aligned(HEADER, [_row(guess) for guess in made.guesses])
    say(Text(head, "bold"))
    for line, guess in zip(lines, made.guesses, strict=True):
        say(Text(redact(line), _COLOURS[guess.confidence]))
    say()
    for hint in made.hints:
        say(Text.assemble(("open", "yellow"), f"    {redact(hint)}"))
    for note in made.notes:
        say(Text.assemble(("note", "yellow"), f"    {redact(note)}"))
    for problem in problems:
        say(Text.assemble(("wrong", "red"), f"   {redact(str(problem))}"))
    for line in _next(made, output):
        say(line)


def _row(guess: Guess) -> tuple[str, str, str, str]:
    source = str(guess.source) if guess.source else "?"
    why = ": ".join(filter(None, [guess.open, " or ".join(guess.candidates)])) if guess.open else guess.why
    return guess.wanted.name, source, guess.confidence, why


def _next(made: Draft, output: Path) -> Iterator[str]:
    settings, plan = (shlex.quote(str(output / name)) for name in ("scorer.yaml", "plan.yaml"))
    left = sum(bool(guess.open) for guess in made.guesses)
    yield f"{len(made.guesses) - left} of {len(made.guesses)} columns placed, {left} open"
    yield f"wrote {settings} and {plan}; next:"
    if left:
        many = f"{left} open column{'s' * (left > 1)}"
        yield f"  complete the {many}: event, entity with field, expression, or categories"
    yield f"  confirm each line that says guess in {plan} and {settings}"
    yield f"  scorer models add -c {settings} --model {shlex.quote(str(made.model))} --plan {plan}"
    yield f"  scorer check -c {settings} --offline"


def _document(made: Draft, problems: list[Problem]) -> dict[str, object]:
    return {
        "columns": [
            {
                "name": guess.wanted.name,
                "source": {name: value for name, value in _keys(guess) if value},
                "confidence": guess.confidence,
                "why": guess.why,
                "open": guess.open,
                "candidates": list(guess.candidates),
            }
            for guess in made.guesses
        ],
        "entities": made.entities,
        "hints": [redact(hint) for hint in made.hints],
        "notes": [redact(note) for note in made.notes],
        "problems": [redact(str(problem)) for problem in problems],
    }


def _keys(guess: Guess) -> Iterator[tuple[str, object]]:
    if guess.source is not None:
        for name in ("event", "part", "categories", "entity", "field", "expression"):
            yield name, getattr(guess.source, name)
