"""A replica that notes how long it waits for look-ups: `python -m benchmarks.waits FILE in-turn|ahead run -c ...`."""

import json
import sys
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from scorer.cli import main
from scorer.kafka import Source
from scorer.store import Lookups

IN_TURN, AHEAD = "in turn", "ahead"


def run(file: Path, way: str, words: list[str]) -> int:
    """Run a command of `scorer`, and write the seconds in which it sent and awaited look-ups to a file."""
    spent = [0.0]

    def timed(call: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(call)
        def timing(*arguments: object) -> object:
            began = time.perf_counter()
            try:
                return call(*arguments)
            finally:
                spent[0] += time.perf_counter() - began

        return timing

    if way == IN_TURN:
        Source.poll_ahead = lambda *_: None  # type: ignore[method-assign]  # so the next batch is polled afterwards
    for name in ("fetch", "prefetch"):
        setattr(Lookups, name, timed(getattr(Lookups, name)))
    try:
        return main(words)
    finally:
        file.write_text(json.dumps(spent[0]))


if __name__ == "__main__":
    sys.exit(run(Path(sys.argv[1]), sys.argv[2], sys.argv[3:]))
