"""What fastavro and the strict reference say of a mutant, beside what the decoder said."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import IO, Any, cast
from uuid import UUID

import fastavro
import numpy as np

from scorer.avro.decode.rejection import reason_of
from scorer.avro.program.reading import Fault
from scorer.batch import Events, Kind, Reason
from tests.avro.evolution import at, held, same
from tests.avro.reference import read
from tests.avro.schemas import bare, scalars, sizeless
from tests.fuzz.disagreements import ROUNDED, known
from tests.fuzz.families import Family

MOST_READS = 20_000  # of fastavro in one value: it believes any count of items
# What only resolution or the columns find, so that the writer's own structure says nothing of it.
_OF_COLUMNS = {
    Fault.UNRESOLVED,
    Fault.UNEXPECTED_NULL,
    Fault.STRANGE_SYMBOL,
    Fault.BAD_UTF8,
    Fault.EMPTY_DECIMAL,
    Fault.LONG_DECIMAL,
}


class Finding(Exception):
    """The decoder is wrong, or a disagreement has no explanation."""


class _Endless(Exception):
    """fastavro reads on and on."""


class _Trailing(Exception):
    """fastavro stopped before the end of the value."""


class _Limited:
    """A file that is read only so often."""

    def __init__(self, body: bytes) -> None:
        self.body, self.at, self.left = body, 0, MOST_READS

    def read(self, size: int = -1) -> bytes:
        self.left -= 1
        if self.left < 0:
            raise _Endless
        begin = self.at
        self.at = min(len(self.body), begin + size) if size >= 0 else len(self.body)
        return self.body[begin : self.at]


@dataclass(frozen=True, slots=True)
class Mutant:
    """A row of a batch: its body, and the index of the schema that it was written with."""

    row: int
    body: bytes
    writer: int
    framed: bool


class Oracle:
    """Judges what the decoder made of single rows of one family's batches.

    Args:
        family: the schemas.
    """

    def __init__(self, family: Family) -> None:
        self._family, self._used = family, set(family.used)
        self._kinds = dict(scalars(family.reader))
        self._writers = [fastavro.parse_schema(bare(writer.schema)) for writer in family.writers]
        self._reader = fastavro.parse_schema(bare(needed(family.reader, self._used)))
        self._loops = [_has_sizeless_items(writer.schema) for writer in family.writers]

    def judge(self, events: Events, fault: Fault | None, mutant: Mutant) -> str:
        """Compare, and return the name of the disagreement with fastavro; empty if there is none.

        Raises:
            Finding: the decoder is wrong.
        """
        strict = self._strict(mutant)
        self._agree(strict, fault, mutant)
        if isinstance(strict, Reason) and self._loops[mutant.writer]:
            return ""  # fastavro would count to billions; what is refused by both references is refused
        theirs = self._theirs(mutant, self._reader)
        if fault is None and not isinstance(theirs, Exception):
            if mutant.writer == 0 and isinstance(strict, dict):
                self._same_scalars(events, mutant, strict)
            return self._same_values(events, mutant, theirs)
        if (fault is None) == (not isinstance(theirs, Exception)):
            return ""
        name = known(fault, theirs, self._theirs(mutant, None))
        if not name:
            raise Finding(f"ours: {'accepted' if fault is None else fault.name}; fastavro: {theirs!r}")
        return name

    def _strict(self, mutant: Mutant) -> Mapping[str, Any] | Reason:
        """Return what the strict reference says: all of it for the reader's own schema, else of the structure alone."""
        used = self._used if mutant.writer == 0 else set()
        return read(self._family.writers[mutant.writer].schema, mutant.body, used, framed=mutant.framed)

    def _agree(self, strict: Mapping[str, Any] | Reason, fault: Fault | None, mutant: Mutant) -> None:
        """Hold the decoder's verdict against the strict reference.

        Raises:
            Finding: they differ.
        """
        ours = None if fault is None else reason_of(fault)
        theirs = strict if isinstance(strict, Reason) else None
        if ours == theirs:
            return
        resolving = mutant.writer != 0 and fault in _OF_COLUMNS  # which may stop at an earlier byte
        if not resolving:
            raise Finding(f"ours: {'accepted' if fault is None else fault.name}; the strict reference: {theirs}")

    def _theirs(self, mutant: Mutant, reader: Any) -> Any:
        """Return what fastavro resolves, or its error; without a reader's schema it reads all that was written."""
        file = _Limited(mutant.body)
        try:
            event = fastavro.schemaless_reader(cast("IO[bytes]", file), self._writers[mutant.writer], reader)
        except Exception as error:  # noqa: BLE001  of many kinds
            return error
        return event if file.at == len(mutant.body) else _Trailing(f"{len(mutant.body) - file.at} bytes are left")

    def _same_values(self, events: Events, mutant: Mutant, event: Any) -> str:
        """Compare the columns with an event, and return the name of a disagreement.

        Raises:
            Finding: they differ.
        """
        name = ""
        for path, column in events.columns.items():
            raw = at(event, path)
            if column.field.kind == Kind.BYTES:
                equal = bool(column.null[mutant.row]) == (raw is None)
            else:
                found = held(events, column, mutant.row)
                equal = same(found, expected(self._kinds[path], raw), self._kinds[path])
                if not equal and mutant.writer != 0 and self._kinds[path] == "float" and halfway(found, raw):
                    equal, name = True, ROUNDED
            if not equal:
                raise Finding(f"{path}: fastavro reads {raw!r}")
        return name

    def _same_scalars(self, events: Events, mutant: Mutant, scalars: Mapping[str, Any]) -> None:
        for path, column in events.columns.items():
            raw = scalars.get(path)
            if column.field.kind == Kind.ENUM and raw is not None:
                raw = column.field.symbols[raw]
            if bool(column.null[mutant.row]) != (raw is None):
                raise Finding(f"{path}: the strict reference reads {raw!r}")
            if column.field.kind != Kind.BYTES and not same(
                held(events, column, mutant.row), expected(self._kinds[path], raw), self._kinds[path]
            ):
                raise Finding(f"{path}: the strict reference reads {raw!r}")


def halfway(single: Any, double: Any) -> bool:
    """Whether a whole number is so near to the middle of two floats that its double is rounded to the wrong one."""
    if not isinstance(single, float) or not isinstance(double, float) or not double.is_integer():
        return False
    low, high = sorted((single, float(np.float32(double))))
    return high == float(np.nextafter(np.float32(low), np.float32(np.inf))) and double == (low + high) / 2


def expected(kind: Any, raw: Any) -> Any:
    """Return what a column holds for what a scalar holds."""
    logical = kind.get("logicalType") if isinstance(kind, dict) else None
    if logical == "decimal" and raw is not None:
        return float(Fraction(int.from_bytes(raw, "big", signed=True), 10 ** kind["scale"]))
    if logical == "uuid" and isinstance(raw, bytes):
        return str(UUID(bytes=raw))
    return raw


def needed(kind: Any, used: set[str], path: str = "") -> Any:
    """Return a reader's type without the fields that nothing uses, which the decoder does not resolve either."""
    if isinstance(kind, list):
        return [needed(branch, used, path) for branch in kind]
    if not isinstance(kind, dict) or kind["type"] != "record":
        return kind
    kept = []
    for field in kind["fields"]:
        inner = f"{path}.{field['name']}".lstrip(".")
        if any(each == inner or each.startswith(f"{inner}.") for each in used):
            kept.append({**field, "type": needed(field["type"], used, inner)})
    return {**kind, "fields": kept}


def _has_sizeless_items(kind: Any) -> bool:
    if isinstance(kind, list):
        return any(map(_has_sizeless_items, kind))
    if not isinstance(kind, dict):
        return False
    if kind["type"] == "array" and sizeless(kind["items"]):
        return True
    inner: Sequence[Any] = [field["type"] for field in kind.get("fields", [])]
    return any(map(_has_sizeless_items, [*inner, *(kind[key] for key in ("items", "values") if key in kind)]))
