"""Compiles schemas to programs for the decoding kernel.

A program reads values that were written with one schema, the writer's, and fills the columns of another, the reader's,
by the rules of Avro's schema resolution.
"""

from collections.abc import Mapping
from typing import NoReturn

from scorer.avro.program.program import (
    CHANGE,
    NEVER,
    NO_SYMBOL,
    NULL_BRANCH,
    SKIP,
    SLOT,
    TARGET,
    Change,
    Listing,
    Op,
    Program,
)
from scorer.avro.program.reading import Fault
from scorer.avro.types.grammar import NULL, Array, Link, Map, Record, Scalar, Type, Union, has_bytes, without_null
from scorer.avro.types.likeness import Unresolvable, clash, goes_by, mismatch, paired, promotes
from scorer.avro.values.binary import unpack_long


class Compiler:
    """Compiles the schemas of writers, one after the other.

    Args:
        reader: the record whose fields are wanted.
        slots: the column of each path that is needed; all other values are skipped.
    """

    def __init__(self, reader: Record, slots: Mapping[str, int]) -> None:
        self._reader, self._slots = reader, slots
        self._needed = {""} | {path[:end] for path in slots for end in _ends(path)}
        self._listing = Listing()

    def add(self, written: Type | Link, name: str) -> int:
        """Compile a writer's schema, and return the number of its program, counted from 0.

        Args:
            written: the type of the writer's values. If it cannot provide a needed field, its program says so.
            name: its name in errors.
        """
        before = self._listing.mark
        try:
            self._read(written, self._reader, "", 0)
            self._add_routines(before[0])
        except Unresolvable as error:
            self._listing.cut(before)
            self._listing.fail(Fault.UNRESOLVED, self._reader, error.path, f"{name}: {error}")
        return self._listing.end_writer()

    def _add_routines(self, first: int) -> None:
        """Append the routines that the program from an instruction on calls, behind a jump over them."""
        listing, begins = self._listing, dict[str, int]()
        jump = listing.emit(Op.JUMP, NULL, "") if listing.calls(first) else None
        while calls := listing.calls(first):  # a routine calls itself or others
            first = listing.end
            for at, link, path in calls:
                if link.name not in begins:
                    begins[link.name] = listing.end
                    self._read(link.target, None, path, 0)
                    listing.emit(Op.RETURN, NULL, path)
                listing.put(at, TARGET, begins[link.name])
        if jump is not None:
            listing.put(jump, TARGET, listing.end)

    def program(self) -> Program:
        """Return the programs of all writers so far."""
        return self._listing.program()

    def _read(self, written: Type | Link, wanted: Type | None, path: str, level: int) -> None:
        """Append the instructions that read a value of the writer's type.

        Args:
            written: the type.
            wanted: the reader's type of the field; None if nothing in it is needed.
            path: the path of the field, with the reader's names where the reader has it.
            level: the number of blocks around it.

        Raises:
            Unresolvable: no value of the type can become one of the reader's. So do the others.
        """
        if path not in self._needed:
            wanted = None
        match written:
            case Link() if wanted is None:
                self._listing.call(written, path)
            case Link(name=name):
                raise Unresolvable(path, f"'{name}' contains itself", "a recursive field can only be skipped")
            case Scalar():
                self._scalar(written, wanted, path)
            case Record():
                self._record(written, wanted, path, level)
            case Union():
                self._union(written, wanted, path, level)
            case Array(items=items):
                self._blocks(written, [items], wanted, path, level)
            case Map(values=values):
                self._blocks(written, [Scalar("string"), values], wanted, path, level)

    def _scalar(self, written: Scalar, wanted: Type | None, path: str, null_branch: int = NEVER) -> None:
        """Append the instruction of a scalar.

        `null_branch` is the number of null in the union around it, if that has only these two branches.
        """
        bare, nullable = (None, True) if wanted is None else without_null(wanted)
        if written == NULL:
            if not nullable:
                _refuse(written, wanted or written, path)
            return
        op, change, target = Op[written.base.upper()], Change.NONE, 0
        if bare is not None:
            if not isinstance(bare, Scalar):
                _refuse(written, bare, path)
            op, change, target = self._converted(written, bare, path)
        size = len(written.symbols) if written.base == "enum" else written.size
        at = self._listing.emit(op, written, path, size=size, target=target)
        self._listing.put(at, NULL_BRANCH, null_branch)
        self._listing.put(at, CHANGE, change)
        self._listing.put(at, SLOT, SKIP if bare is None else self._slots.get(path, SKIP))

    def _converted(self, written: Scalar, wanted: Scalar, path: str) -> tuple[Op, Change, int]:
        """Return how a scalar is read and changed to become one of the reader's, and the TARGET of the change."""
        op = Op[written.base.upper()]
        if clash(written, wanted):
            _refuse(written, wanted, path)
        if written.base in {"enum", "fixed"} and (
            written.base != wanted.base or written.size != wanted.size or not goes_by(written.name, wanted)
        ):
            _refuse(written, wanted, path)
        if written.base == "enum":
            return op, *self._symbols(written, wanted)
        if written.base == wanted.base:
            return op, Change.NONE, 0
        if not promotes(written, wanted):
            _refuse(written, wanted, path)
        if wanted.base in {"string", "bytes"}:
            return Op[wanted.base.upper()], Change.NONE, 0
        if written.base != "float" and wanted.base in {"float", "double"}:
            return op, Change.TO_FLOAT if wanted.base == "float" else Change.TO_DOUBLE, 0
        return op, Change.NONE, 0

    def _symbols(self, written: Scalar, wanted: Scalar) -> tuple[Change, int]:
        """Return how the index of a symbol becomes the reader's, and where the reader's indexes begin in `tables`."""
        if written.symbols == wanted.symbols[: len(written.symbols)]:
            return Change.NONE, 0
        known = {symbol: index for index, symbol in enumerate(wanted.symbols)}
        target, otherwise = len(self._listing.tables), known.get(wanted.fallback, NO_SYMBOL)
        self._listing.tables += [known.get(symbol, otherwise) for symbol in written.symbols]
        return Change.SYMBOL, target

    def _record(self, written: Record, wanted: Type | None, path: str, level: int) -> None:
        """Append the instructions of a record's fields, then of the needed fields that only the reader has."""
        ours: tuple[Record, ...] = ()
        if wanted is not None:
            bare, _ = without_null(wanted)
            if not isinstance(bare, Record):
                _refuse(written, bare, path)
            ours = (bare,)
        found = {name: member for each in ours for name, member in paired(written, each).items()}
        for theirs in written.members:
            member = found.get(theirs.name)
            name, kind = (theirs.name, None) if member is None else (member.name, member.type)
            # A field of the writer alone has no column, even where a path of the reader's reads the same.
            self._read(theirs.type, kind, _inside(path, name), level)
        matched = {member.name for member in found.values()}
        for member in (each for record in ours for each in record.members if each.name not in matched):
            inner = _inside(path, member.name)
            if inner in self._needed:
                self._default(member.type, member.default, inner, level)

    def _default(self, kind: Type, default: bytes | None, path: str, level: int) -> None:
        """Append the instructions that fill a field which the writer does not have."""
        if default is None:
            raise Unresolvable(
                path, "the writer's schema has no such field", "expected one, or a default in the reader's schema"
            )
        if isinstance(kind, Union) and kind.branches[unpack_long(default, 0)[0]] == NULL:
            return  # the columns are null already
        self._listing.emit(Op.ENTER, kind, path, target=self._listing.add_constant(default))
        self._read(kind, kind, path, level)
        self._listing.emit(Op.LEAVE, kind, path)

    def _union(self, written: Union, wanted: Type | None, path: str, level: int) -> None:
        """Append the instructions of a union: one for a scalar or null, if the reader takes null; else a jump."""
        others = [branch for branch in written.branches if branch != NULL]
        simple = len(written.branches) == 2 and len(others) == 1  # noqa: PLR2004  null and one other
        if simple and isinstance(others[0], Scalar) and (wanted is None or without_null(wanted)[1]):
            before = self._listing.mark
            try:
                self._scalar(others[0], wanted, path, written.branches.index(NULL))
            except Unresolvable:
                self._listing.cut(before)
            else:
                return
        self._branches(written, wanted, path, level)

    def _branches(self, written: Union, wanted: Type | None, path: str, level: int) -> None:
        """Append a jump to the branch of a value, and each branch; one that does not resolve fails when it is taken."""
        listing, first = self._listing, len(self._listing.tables)
        listing.emit(Op.UNION, written, path, size=len(written.branches), target=first)
        listing.tables += [0] * len(written.branches)
        jumps, refused = [], []
        for index, branch in enumerate(written.branches):
            listing.tables[first + index] = listing.end
            before = listing.mark
            try:
                self._read(branch, wanted, path, level)
            except Unresolvable as error:
                listing.cut(before)
                refused.append((branch == NULL, error))
                listing.fail(Fault.UNEXPECTED_NULL if branch == NULL else Fault.UNRESOLVED, branch, path, str(error))
            jumps.append(listing.emit(Op.JUMP, written, path))
        if refused and len(refused) == len(written.branches):
            raise min(refused, key=lambda each: each[0])[1]
        for jump in jumps:
            listing.put(jump, TARGET, listing.end)

    def _blocks(self, written: Array | Map, parts: list[Type], wanted: Type | None, path: str, level: int) -> None:
        """Append the instructions that skip an array or a map, given the parts of an item."""
        if wanted is not None:
            _refuse(written, without_null(wanted)[0], path)
        listing = self._listing
        begin = listing.emit(Op.BLOCKS, written, path, size=min(1, sum(map(has_bytes, parts))))
        listing.put_level(begin, level)
        for part in parts:
            self._read(part, None, f"{path}[]", level + 1)
        listing.put_level(listing.emit(Op.NEXT, written, path, target=begin), level)
        listing.put(begin, TARGET, listing.end)


def _refuse(written: Type, wanted: Type, path: str) -> NoReturn:
    """Raise Unresolvable for a type that cannot become the reader's."""
    raise Unresolvable(path, *mismatch(written, wanted, "the writer's schema", "the reader's"))


def _ends(path: str) -> list[int]:
    """Return where each name of a path ends."""
    return [at for at, letter in enumerate(path) if letter == "."] + [len(path)]


def _inside(path: str, name: str) -> str:
    """Return the path of a field inside another."""
    return f"{path}.{name}".lstrip(".")
