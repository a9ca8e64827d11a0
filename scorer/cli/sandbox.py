"""`scorer sandbox`: a real Kafka and a real Redis until Ctrl-C."""

import argparse
import contextlib
import importlib
import signal
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from scorer.cli.shown.console import console
from scorer.errors import Fatal, Misconfigured, Problem

if TYPE_CHECKING:
    from scorer.sandbox import Sandbox

_LOOK_S = 0.5


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("--kafka-port", type=int, metavar="P", help="port of Kafka (default: a free one)")
    parser.add_argument("--redis-port", type=int, metavar="P", help="port of Redis (default: a free one)")
    parser.add_argument("--env-file", type=Path, metavar="F", help="write the addresses as SCORER_ variables to F")


def run(args: argparse.Namespace) -> int:
    """Run both servers until SIGTERM or Ctrl-C; return the exit code."""
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell script's background jobs ignore SIGINT
        signal.signal(number, signal.default_int_handler)
    room = _room()
    _validate(args, room.is_environment_file)
    with contextlib.suppress(KeyboardInterrupt), room.Sandbox(args.kafka_port, args.redis_port) as sandbox:
        if args.env_file is not None:
            sandbox.write_environment(args.env_file)
        _explain(sandbox, args.env_file)
        while sandbox.kafka.running and sandbox.redis.running:
            time.sleep(_LOOK_S)
        raise Fatal("a server of the sandbox exited; is the machine out of memory or disk?")
    return 0


def _validate(args: argparse.Namespace, may_overwrite: Callable[[Path], bool]) -> None:
    problems = [
        Problem(f"--{name}-port", f"{port} is not a port", "expected a number from 1 to 65535")
        for name, port in (("kafka", args.kafka_port), ("redis", args.redis_port))
        if port is not None and not 0 < port < 2**16
    ]
    file: Path | None = args.env_file
    if file is not None and not file.parent.is_dir():
        problems.append(Problem("--env-file", f"there is no folder {file.parent}", "create it first"))
    elif file is not None and file.exists() and not may_overwrite(file):
        problems.append(Problem("--env-file", f"{file} is some other file", "choose another name, or remove it"))
    if problems:
        raise Misconfigured(problems)


def _room() -> ModuleType:
    try:
        return importlib.import_module("scorer.sandbox")
    except ModuleNotFoundError as error:  # the packages of the extra are not installed
        raise Fatal(f"the package {error.name} is not installed; run: pip install 'scorer[sandbox]'") from error


def _explain(sandbox: "Sandbox", file: Path | None) -> None:
    exports = [f"export {name}={value}" for name, value in sandbox.environment().items()]
    use = "\n  ".join(exports if file is None else [f"set -a; . {file}; set +a"])
    console().print(
        f"{sandbox.kafka.version} at {sandbox.kafka.bootstrap}, {sandbox.redis.version} at {sandbox.redis.url}\n"
        f"To use them in another terminal, overriding scorer.yaml:\n  {use}\n"
        "Ctrl-C stops both and removes their data."
    )
