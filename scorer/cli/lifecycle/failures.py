"""How a failed command ends: its message on stderr and its exit code, with a traceback only if requested."""

import os
import select
import sys
import traceback
from collections.abc import Sequence

from scorer.errors import Misconfigured, ScorerError
from scorer.security.printable import printable
from scorer.security.redaction import foreign, redact

EXTRAS = {
    "bench": "sandbox",
    "demo": "demo",
    "sandbox": "sandbox",
    "score": "tables",
    "serve": "serve",
    "sql": "sql",
    "training-set": "tables",
}
"""Commands that need the packages of an extra."""


def usage(text: str) -> int:
    """Print what is wrong with the command line, and return the exit code."""
    _say(text)
    return 2


def explain(error: BaseException, words: Sequence[str]) -> int:
    """Print why a command ended, unless it was stopped on purpose, and return the exit code."""
    if isinstance(error, SystemExit):  # argparse has printed why; rich raises it when stdout is closed
        return 0 if isinstance(error.__context__, BrokenPipeError) else int(error.code or 0)
    if isinstance(error, KeyboardInterrupt) or (isinstance(error, BrokenPipeError) and _reader_left()):
        return 0
    if "--traceback" in words:
        sys.stderr.write(redact("".join(traceback.format_exception(error))))
    if isinstance(error, Misconfigured):
        for problem in error.problems:
            _say(str(problem))
        return 2
    if isinstance(error, ModuleNotFoundError) and words[0] in EXTRAS and not str(error.name).startswith("scorer."):
        extra = EXTRAS[words[0]]
        _say(f"scorer {words[0]} needs more packages ({error.name}): pip install 'scorer[{extra}]'")
        return 2
    _say(str(error) if isinstance(error, ScorerError) else _unexpected(error, words[0]))
    return 1


def _unexpected(error: BaseException, command: str) -> str:
    what = foreign(" ".join(str(error).split()))
    again = f"`scorer {command} ... --traceback` shows where; please report it with that output"
    return f"unexpected {type(error).__name__}{f': {what}' if what else ''}; {again}"


def _reader_left() -> bool:
    """Whether stdout was closed, as in `scorer tail | head`, rather than a socket; further output is then discarded."""
    stdout = sys.stdout.fileno()
    poll = select.poll()
    poll.register(stdout, 0)
    left = any(state & (select.POLLERR | select.POLLHUP) for _, state in poll.poll(0))
    if left:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stdout)
    return left


def _say(text: str) -> None:
    from rich.text import Text  # noqa: PLC0415  help is quick without it

    from scorer.cli.shown.console import LAYOUT, console  # noqa: PLC0415  the same

    console().print(Text.assemble(("error", "bold red"), ": ", printable(redact(text), LAYOUT)))
