"""Loads the features of the demo and produces its flights, by the commands that a user has.

It stands for the systems around the scorer in docker-compose.yml: the job that fills Redis, and what writes events.
"""  # noqa: INP001  a script

import argparse
import sys
import tempfile
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import fastavro

from scorer.cli import main as scorer
from scorer.demo import flights, tables


def main(argv: Sequence[str]) -> int:
    """Load and produce; return the exit code of the first command that fails, or 0."""
    parser = argparse.ArgumentParser(description="Load the demo's features and produce its flights.")
    parser.add_argument("-c", dest="config", required=True, help="as for scorer")
    parser.add_argument("--rate", default="1000", help="events a second (default: %(default)s)")
    parser.add_argument("--events", type=int, help="how many flights (default: all)")
    chosen = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        for command in _commands(Path(folder), chosen.events):
            rate = ("--rate", chosen.rate) if command[0] == "produce" else ()
            if code := scorer([*command, "-c", chosen.config, *rate]):
                return code
    return 0


def _commands(folder: Path, events: int | None) -> list[list[str]]:
    """Write the files, and say which commands bring them where they belong."""
    training, later = flights.split(flights.read())
    commands = []
    for entity, table in tables.as_loaded(training).items():
        table.to_csv(folder / f"{entity}.csv")
        commands.append(["features", "load", "--entity", entity, "--input", str(folder / f"{entity}.csv")])
    file = folder / "flights.avro"
    with file.open("wb") as out:
        bodies = flights.encode(later[:events])
        records = (fastavro.schemaless_reader(BytesIO(body), flights.SCHEMA, None) for body in bodies)
        fastavro.writer(out, flights.SCHEMA, records)
    return [*commands, ["produce", "--input", str(file), "--key", "tailnum"]]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
