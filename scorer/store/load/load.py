"""Loading features from a file: every line is read and judged before the first is written."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from scorer.batch import Field
from scorer.errors import Misconfigured, Problem, did_you_mean
from scorer.plan.plan import Entity, Plan
from scorer.store.load.cells import float32_text, key_text, number_text, seconds_text
from scorer.store.load.files import Line, read_lines
from scorer.store.redis.write import Stored, write

Meaning = TypeVar("Meaning", str, bytes)
MAX_PROBLEMS = 20  # of lines, that are told of one file


@dataclass(frozen=True, slots=True)
class Loaded:
    """What was loaded.

    lines: how many were written, each the features of one key.
    notes: what may surprise, in sentences.
    """

    lines: int
    notes: tuple[str, ...]


def find_entity(plan: Plan, name: str) -> Entity:
    """Return the entity of a name.

    Raises:
        Misconfigured: the plan has none of that name.
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

    The columns are named as the fields of the entity's key template and as its `fields`. A feature may be empty. The
    field with the time of the last change may be left out: then it is now.

    Args:
        entity: of the plan.
        fields: what the event schema has, by dotted path; the entity's key fits it (`Plan.problems`).
        file:   `.csv` with a head, or `.jsonl`.
        url:    as `features.url`.
        on_progress:   is given the number of lines written so far.

    Raises:
        Misconfigured: the file or lines of it are wrong; nothing was written.
        Unavailable:   the server does not answer or refuses.
    """
    reader = _Reader(entity, fields)
    columns, undated = _judge(reader, file)
    lines = write(url, entity, reader.read_all(file), on_progress)
    notes = []
    if unused := [column for column in columns if column not in reader.columns]:
        notes.append(f"columns that the plan does not name were left out: {', '.join(unused)}")
    if undated:
        notes.append(f"{undated:,} lines do not say '{entity.updated}', so their last change is now")
    return Loaded(lines, tuple(notes))


def _judge(reader: "_Reader", file: Path) -> tuple[list[str], int]:
    """Read a file to its end; return its columns, and how many lines do not say when their features changed.

    Raises:
        Misconfigured: with what is wrong with the file.
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
        problems.append(Problem(file.name, f"{faulty:,} lines have problems in all", "above are the first"))
    if problems:
        raise Misconfigured(problems)
    return list(columns), undated


class _Reader:
    """Makes of each line what is stored for it.

    needed:  the columns that a file must have.
    updated: the one with the time of the last change, which it may have; None where the entity has none.
    """

    def __init__(self, entity: Entity, fields: Mapping[str, Field]) -> None:
        self._entity, self._now = entity, repr(time.time())
        self._parts = [(part.path, partial(key_text, part=part, field=fields[part.path])) for part in entity.key.parts]
        self._number = number_text if entity.layout == "hash" else float32_text
        self.needed = list(dict.fromkeys([*(path for path, _ in self._parts), *entity.fields]))
        self.updated = entity.updated

    @property
    def columns(self) -> set[str]:
        """The columns that are read."""
        return {*self.needed, *filter(None, [self.updated])}

    def read(self, line: Line) -> tuple[Stored, list[Problem]]:
        """Return what is stored for a line, and what is wrong with the line."""
        problems: list[Problem] = []

        def cell(column: str, meaning: Callable[[str], Meaning], otherwise: Meaning) -> Meaning:
            text = line.cells.get(column, "")
            try:
                return meaning(text)
            except ValueError as error:
                problems.append(Problem(f"{line.where}, column '{column}'", repr(text), str(error)))
                return otherwise

        key = self._entity.key.fill([cell(path, meaning, b"") for path, meaning in self._parts])
        values = tuple(cell(field, self._number, "") for field in self._entity.fields)
        changed = "" if self.updated is None else self._now
        if self.updated is not None and self.updated in line.cells:
            changed = cell(self.updated, seconds_text, "")
        return Stored(key, values, changed), problems

    def read_all(self, file: Path) -> Iterator[Stored]:
        """Yield what is stored for each line of a file that was judged."""
        for line in read_lines(file):
            if isinstance(line, Line):
                yield self.read(line)[0]
