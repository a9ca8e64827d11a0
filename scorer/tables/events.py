"""Events in Arrow batches: their columns become the table that a decoder fills from Avro, and then events."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scorer.avro.decode.wanted import Wanted
from scorer.avro.json.jsonl import default_of
from scorer.avro.types.grammar import Record
from scorer.batch import Events, Records, Rejected
from scorer.errors import Misconfigured, Problem, did_you_mean
from scorer.tables.event_column import EventColumn
from scorer.tables.fields import unfit

_NOTHING = np.empty(0, np.uint8)


class TableEvents:
    """Makes events of batches with one Arrow schema. A field of the events is a column, or a member of a struct.

    A field without a column takes its default in every row, or null. Columns that no field needs are ignored.

    Args:
        wanted: the fields that are needed.
        found: the schema of the batches.
        where: their name, for errors.

    Attributes:
        absent: the fields that take their default, or null, in every row.

    Raises:
        Misconfigured: with every field that is missing, every optional field for which a column with a similar name may
            be meant, and every column whose type cannot hold values of its field.
    """

    def __init__(self, wanted: Wanted, found: pa.Schema, where: str) -> None:
        self._wanted, record, problems = wanted, wanted.schema.record, list[Problem]()
        self.absent = list[str]()
        self._lines: list[EventColumn] = []
        others = sorted({*found.names} - {member.name for member in record.members})
        for slot, (path, field) in enumerate(zip(wanted.slots, wanted.fields, strict=True)):
            names, constant = path.split("."), None
            try:
                kind = _type_of(names, found, others, where)
            except Misconfigured as error:
                problems += error.problems
                continue
            except _Absent as absent:
                constant = _constant(record, path, absent)
                if constant is None:
                    problems.append(Problem(where, str(absent), f"the schema has '{path}', without a default"))
                    continue
                kind = constant.type
                self.absent.append(path)
            if needed := unfit(field, kind):
                problems.append(Problem(where, f"column '{path}' is {kind}", needed))
            elif not pa.types.is_null(kind):
                self._lines.append(EventColumn(slot, names, field, wanted.scalars[slot], kind, constant))
        if problems:
            raise Misconfigured(problems)

    def events(self, batch: pa.RecordBatch, first: int = 0) -> Events:
        """Return the events of a batch; a row whose value does not fit its field is rejected.

        It is null in every column, and keeps its id.

        Args:
            batch: [rows].
            first: the number of the first row, which is the id of an event without one.
        """
        rows, table = batch.num_rows, self._wanted.table(batch.num_rows)
        rejected, made, base = dict[int, Rejected](), list[NDArray[np.uint8]](), 0
        for line in self._lines:
            texts = line.fill(line.column(batch), table.line(line.slot), base, rejected)
            base += len(texts)
            made.append(texts)
        data = np.concatenate([*made, _NOTHING])
        own = self._wanted.id_slot
        without_id = None if own is None else table.null[own].copy()
        table.null[:, list(rejected)] = True
        if own is not None:
            table.null[own] = without_id  # a rejected row is found by its id
        invalid = list(self._wanted.read_decimals(data, table))
        assert not invalid  # noqa: S101  their digits were counted when they were encoded
        return self._wanted.events(Records.numbered(rows, first), data, table, rejected.values())


class _Absent(Exception):
    """A batch has no column for a field.

    Args:
        what: is absent.
        present: how many names of the field's path there are.
        meant: which column may be meant; empty if none is.
    """

    def __init__(self, what: str, present: int, meant: str = "") -> None:
        super().__init__(what)
        self.present, self.meant = present, meant


def _constant(record: Record, path: str, absent: _Absent) -> pa.Scalar | None:
    """Return the value of a field without a column; None if it has none."""
    if absent.meant:
        return None
    try:
        return pa.scalar(default_of(record, path, absent.present))
    except LookupError:
        return None


def _type_of(names: list[str], found: pa.Schema, others: list[str], where: str) -> pa.DataType:
    """Return the type of a column, or of a member of a struct.

    Args:
        names: the column's, then those of the members inside.
        found: the schema of the batches.
        others: its columns that are no fields of an event.
        where: the table, for errors.

    Raises:
        _Absent: there is none.
        Misconfigured: there are two.
    """
    places = found.get_all_field_indices(names[0])
    if not places:
        meant = did_you_mean(names[0], others)
        raise _Absent(f"no column '{names[0]}'{meant}", 0, meant)
    if len(places) > 1:
        raise Misconfigured([Problem(where, f"column '{names[0]}' occurs more than once", "keep one")])
    kind = found.field(places[0]).type
    for present, name in enumerate(names[1:], 1):
        at = kind.get_field_index(name) if pa.types.is_struct(kind) else -1
        if at < 0:
            raise _Absent(f"column '{'.'.join(names[:present])}' is {kind}, which has no '{name}'", present)
        kind = kind.field(at).type
    return kind
