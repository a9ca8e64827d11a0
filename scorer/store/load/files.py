"""Files of features, line by line: CSV with a header, or one JSON object a line."""

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from scorer.documents.files import bounded_lines
from scorer.errors import Misconfigured, Problem

JSON_TYPES: Mapping[type, str] = {list: "a list", dict: "an object"}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a file.

    where: the file and the line number.
    cells: the text by column, as in the file; empty if there is no value. JSON's true and false are these words.
    """

    where: str
    cells: Mapping[str, str]


def read_lines(file: Path) -> Iterator[Line | Problem]:
    """Yield each line of a file, or the problem with it.

    Raises:
        Misconfigured: the file cannot be read, or its name ends in neither .csv nor .jsonl.
    """
    kinds = {".csv": _csv_lines, ".jsonl": _json_lines}
    if file.suffix not in kinds:
        raise Misconfigured([Problem(str(file), f"unknown kind of file '{file.suffix}'", "expected .csv or .jsonl")])
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            yield from kinds[file.suffix](text, file.name)
    except OSError as error:
        raise Misconfigured([Problem(str(file), f"cannot be read: {error.strerror}")]) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise Misconfigured([Problem(str(file), str(error), f"expected {file.suffix[1:]} in UTF-8")]) from None


def _csv_lines(text: TextIO, name: str) -> Iterator[Line | Problem]:
    rows = csv.reader(bounded_lines(text, name), strict=True)
    columns = next(rows, [])
    if not columns or len(set(columns)) < len(columns):
        head = ", ".join(columns) or "nothing"
        raise Misconfigured([Problem(f"{name}: line 1", f"found {head}", "expected distinct column names")])
    for row in rows:
        where = f"{name}: line {rows.line_num}"
        if len(row) == len(columns):
            yield Line(where, dict(zip(columns, row, strict=True)))
        elif row:
            yield Problem(where, f"{len(row)} cells", f"expected {len(columns)}, as in the header")


def _json_lines(text: TextIO, name: str) -> Iterator[Line | Problem]:
    for number, line in enumerate(bounded_lines(text, name), 1):
        where = f"{name}: line {number}"
        if not line.strip():
            continue
        try:
            found = json.loads(line, parse_int=str, parse_float=str, parse_constant=str)
        except (ValueError, RecursionError) as error:
            yield Problem(where, f"not JSON: {error}", "expected one object a line")
            continue
        if not isinstance(found, dict):
            yield Problem(where, "not an object", "expected one object a line")
        elif deep := [column for column, value in found.items() if type(value) in JSON_TYPES]:
            what = f"column '{deep[0]}' is {JSON_TYPES[type(found[deep[0]])]}"
            yield Problem(where, what, "expected a text, a number, a boolean or null")
        else:
            yield Line(where, {column: _text(value) for column, value in found.items()})


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
