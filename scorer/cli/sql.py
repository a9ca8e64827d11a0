"""`scorer sql`: run a query of DuckDB in which `score(t)` is the model's score of a row."""

import argparse
import json
import math
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from scorer.cli.lifecycle import options
from scorer.cli.shown.console import console
from scorer.cli.shown.table import aligned
from scorer.errors import Fatal, Misconfigured, Problem
from scorer.monitor import configure_logging
from scorer.security.printable import printable_json

SHOWN = 40  # rows, unless they are written to a file or as JSON
STEP = 2_048
FORMATS = {".parquet": "PARQUET", ".csv": "CSV", ".json": "JSON", ".jsonl": "JSON"}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    options.add_config(parser)
    parser.add_argument("query", help="such as: SELECT t.*, score(t) AS score FROM 'flights.parquet' t")
    what = "write the rows to a file, .parquet, .csv or .jsonl, rather than show the first of them"
    parser.add_argument("--output", type=Path, metavar="FILE", help=what)
    parser.add_argument("--json", action="store_true", help="print one JSON document a line")


def run(args: argparse.Namespace) -> int:
    """Run a query, and show its rows or write them; return the exit code.

    Raises:
        Misconfigured: the model, its plan, the schema or the query is wrong.
        ScorerError: the query failed.
    """
    import duckdb  # noqa: PLC0415  an extra, which only this command needs

    from scorer.duckdb import register  # noqa: PLC0415  the same

    settings = options.load(args, streaming=False).settings
    configure_logging(settings.log.level, settings.log.format)
    if args.output and args.output.suffix not in FORMATS:
        raise Misconfigured([Problem("--output", f"{args.output}", f"expected a name with {', '.join(FORMATS)}")])
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        functions = register(connection, settings)
        with closing(functions):
            try:
                _answer(connection, args)
            except duckdb.Error as error:
                raise functions.error or _reported(error) from None
    return 0


def _answer(connection: Any, args: argparse.Namespace) -> None:  # noqa: ANN401  DuckDB's own
    if args.output:
        query, file = args.query.rstrip().rstrip(";"), str(args.output).replace("'", "''")
        form = FORMATS[args.output.suffix]
        count = connection.execute(f"COPY ({query}) TO '{file}' (FORMAT {form})").fetchone()
        console().print(f"{count[0]:,} rows written to {args.output}")
        return
    result = connection.execute(args.query)
    names = [column[0] for column in result.description or ()]
    if args.json:
        while rows := result.fetchmany(STEP):
            documents = (dict(zip(names, map(_plain, row), strict=True)) for row in rows)
            sys.stdout.writelines(printable_json(document) + "\n" for document in documents)
        return
    rows = result.fetchmany(SHOWN + 1)
    out = console(stderr=False)
    for line in aligned(names, [[_cell(value) for value in row] for row in rows[:SHOWN]]):
        out.print(line)
    if len(rows) > SHOWN:
        console().print(f"the first {SHOWN} rows; --output FILE or --json writes all")


def _plain(value: Any) -> Any:  # noqa: ANN401  what a query returns
    """Return a value as plain JSON."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case dict():
            return {str(name): _plain(each) for name, each in value.items()}
        case list() | tuple():
            return [_plain(each) for each in value]
        case _:
            return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _cell(value: Any) -> Any:  # noqa: ANN401  the same
    if isinstance(value, float):
        return f"{value:.6g}"
    return json.dumps(_plain(value), ensure_ascii=False) if isinstance(value, dict | list) else value


def _reported(error: Exception) -> Misconfigured | Fatal:
    """Return an error of DuckDB as one of ours: of the query, or of something else."""
    text = str(error).partition("\n\nLINE")[0]
    if type(error).__name__ in {"BinderException", "CatalogException", "ParserException", "SyntaxException"}:
        return Misconfigured([Problem("query", text)])
    return Fatal(f"the query failed: {text}")
