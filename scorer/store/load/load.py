"""Loading features from a file: every line is checked before the first is written."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from scorer.batch import Field
from scorer.errors import Misconfigured, Problem, did_you_mean
from scorer.plan.plan import Entity, Plan
from scorer.store.load.cells import float32_text, key_text, number_text, seconds_text
from scorer.store.load.files import Line, read_lines
from scorer.store.redis.layouts import Stored, writable
from scorer.store.redis.write import write

Meaning = TypeVar("Meaning", str, bytes)
MAX_PROBLEMS = 20  # most problems that are reported for one file
SHOWN = 80  # characters of a cell in a problem


@dataclass(frozen=True, slots=True)
class Loaded:
    """The result of loading a file.

    lines: how many lines were written, each with the features of one key.
    notes: notes for the user, as sentences.
    """

    lines: int
    notes: tuple[str, ...]


def find_entity(plan: Plan, name: str) -> Entity:
    """Return the entity of a name.

    Raises:
        Misconfigured: the plan has no entity of that name.
    """
    known = {entity.name: entity for entity in plan.entities}
    if name not in known:
        expected = f"it has {', '.join(known)}" if known else "it has no entities"
        raise Misconfigured([Problem(plan.where, f"no entity '{name}'{did_you_mean(name, known)}", expected)])
    return known[name]


def load_file(
    entity: Entity, fields: Mapping[str, Field], file: Path, url: str, on_progress: Callable[[int], None]
) -> Loaded:
    """Write the features of a file to Redis.

    The columns are named after the fields of the entity's key template and its `fields`. A feature may be empty. The
    column with the time of the last change may be missing: then it is the current time.

    Args:
        entity:      an entity of the plan.
        fields:      the fields of the event schema, by dotted path; the key was checked against them (`Plan.problems`).
        file:        `.csv` with a header, or `.jsonl`.
        url:         the value of `features.url`.
        on_progress: called with the number of lines written so far.

    Raises:
        Misconfigured: the file or some of its lines are wrong, or the layout is written by another system; nothing was
            written.
        Unavailable:   the server does not answer, or refuses a command.
    """
    reader = _Reader(entity, fields)
    columns, undated = _check_file(reader, file)
    lines = write(url, entity, reader.read_all(file), on_progress)
    notes = []
    if unused := [column for column in columns if column not in reader.columns]:
        notes.append(f"ignored columns that are not in the plan: {', '.join(unused)}")
    if undated:
        notes.append(f"{undated:,} lines have no '{entity.updated}', so the current time was used")
    return Loaded(lines, tuple(notes))


def _check_file(reader: "_Reader", file: Path) -> tuple[list[str], int]:
    """Check a whole file; return its columns, and how many lines have no time of the last change.

    Raises:
        Misconfigured: with the problems of the file.
    """
    problems: list[Problem] = []
    columns: dict[str, str] = {}
    faulty = undated = 0
    for line in read_lines(file):
        found = [line] if isinstance(line, Problem) else reader.read(line)[1]
        if isinstance(line, Line):
            columns |= line.cells
            undated += reader.updated is not None and reader.updated not in line.cells
        faulty += bool(found)
        problems += found[: MAX_PROBLEMS - len(problems)]
    if columns and (absent := [name for name in reader.needed if name not in columns]):
        expected = f"expected columns {', '.join(reader.needed)}"
        raise Misconfigured(
            Problem(file.name, f"no column '{name}'{did_you_mean(name, columns)}", expected) for name in absent
        )
    if len(problems) == MAX_PROBLEMS:
        problems.append(Problem(file.name, f"{faulty:,} lines have problems", "only the first ones are shown"))
    if problems:
        raise Misconfigured(problems)
    return list(columns), undated


class _Reader:
    """Turns lines into features to store.

    needed:  the columns that a file must have.
    updated: the optional column with the time of the last change; None if the entity has none.
    """

    def __init__(self, entity: Entity, fields: Mapping[str, Field]) -> None:
        self._entity, self._now = entity, repr(time.time())
        self._parts = [(part.path, partial(key_text, part=part, field=fields[part.path])) for part in entity.key.parts]
        self._number = float32_text if writable(entity).number_type is np.float32 else number_text
        self.needed = list(dict.fromkeys([*(path for path, _ in self._parts), *entity.fields]))
        self.updated = entity.updated

    @property
    def columns(self) -> set[str]:
        """The columns that are read."""
        return {*self.needed, *filter(None, [self.updated])}

    def read(self, line: Line) -> tuple[Stored, list[Problem]]:
        """Return the features to store for a line, and the problems of the line."""
        problems: list[Problem] = []

        def cell(column: str, meaning: Callable[[str], Meaning], otherwise: Meaning) -> Meaning:
            text = line.cells.get(column, "")
            try:
                return meaning(text)
            except ValueError as error:
                shown = repr(text) if len(text) <= SHOWN else f"{text[:SHOWN]!r}..."
                problems.append(Problem(f"{line.where}, column '{column}'", shown, str(error)))
                return otherwise

        key = self._entity.key.fill([cell(path, meaning, b"") for path, meaning in self._parts])
        values = tuple(cell(field, self._number, "") for field in self._entity.fields)
        changed = "" if self.updated is None else self._now
        if self.updated is not None and self.updated in line.cells:
            changed = cell(self.updated, seconds_text, "")
        return Stored(key, values, changed), problems

    def read_all(self, file: Path) -> Iterator[Stored]:
        """Yield the features to store for each line of a file that was checked."""
        for line in read_lines(file):
            if isinstance(line, Line):
                yield self.read(line)[0]
