"""Events of a file that were written with another schema, resolved to ours as Avro does.

A value with the same encoding in both schemas is copied, so the decoder sees the same bytes from a file as from the
stream. Records are matched by their fields, whatever their names, as Java does; enums and fixed by name.

A schema becomes a tree of steps, one for each type. A step reads the value at a position of a block, appends the value
of our schema to a body, and returns the position after it.
"""

from collections.abc import Iterator
from typing import NoReturn

from scorer.avro.decode.splitting import Block
from scorer.avro.evolution.conversion import Step, conversion
from scorer.avro.evolution.skipping import Broken, Budget, Skip, skipper, take_branch, take_count
from scorer.avro.types.grammar import Array, Link, Map, Record, Scalar, Type, Union, has_bytes
from scorer.avro.types.likeness import Unresolvable, alike, goes_by, mismatch, paired, promotes
from scorer.avro.values.binary import pack_long

_MOST_BYTES = 2**27  # limit of a resolved event, since defaults may be long

_Field = tuple[str, int | None, Step]  # a field of the file: its name, its place among ours or None, and its step
_KEY = Scalar("string")


class Resolution:
    """Turns events of one schema into bodies of another.

    Args:
        written: the schema of the events.
        record: the schema of the bodies.

    Raises:
        Unresolvable: no event of the first schema can be one of the second.
    """

    def __init__(self, written: Type | Link, record: Record) -> None:
        self._budget = Budget()
        self._step = _resolve(written, record, "", self._budget)

    def split(self, block: Block) -> Iterator[bytes]:
        """Yield the bodies of the events of a block.

        Raises:
            Broken: the next event has no end, cannot be resolved, or takes too many steps.
        """
        at, data = 0, block.data
        self._budget.begin(block.size)
        for _ in range(block.count):
            self._budget.add_event()
            body = bytearray()
            at = self._step(data, at, body)
            yield bytes(body)
        if at < len(data):
            raise Broken(f"the block has {len(data) - at} bytes after its last event")


def _resolve(written: Type | Link, wanted: Type, path: str, budget: Budget) -> Step:  # noqa: PLR0911  one a kind of type
    """Return the step that turns a value of one type into one of another.

    Args:
        written: the type in the file.
        wanted: the type in our schema.
        path: the field, for errors.
        budget: the steps that a block may take.

    Raises:
        Unresolvable: no value of the type can become one of ours. The functions below raise it, too.
    """
    while isinstance(written, Link):
        written = written.target
    if alike(written, wanted):
        return _copy(skipper(written, budget))
    match written, wanted:
        case Union(branches=branches), _:
            return _any_of([_attempt(branch, wanted, path, budget) for branch in branches])
        case _, Union():
            return _branch_of(written, wanted, path, budget)
        case Record(), Record():
            return _record(written, wanted, path, budget)
        case Array(items=theirs), Array(items=ours):
            return _items([_resolve(theirs, ours, f"{path}[]", budget)], budget, sized=has_bytes(theirs))
        case Map(values=theirs), Map(values=ours):
            keys, values = _copy(skipper(_KEY, budget)), _resolve(theirs, ours, f"{path}[]", budget)
            return _items([keys, values], budget, sized=True)
        case Scalar(), Scalar() if step := conversion(written, wanted):
            return step
    return _refuse(written, wanted, path)


def _refuse(written: Type, wanted: Type, path: str) -> NoReturn:
    """Raise Unresolvable for a type of the file that cannot become ours."""
    raise Unresolvable(path, *mismatch(written, wanted, "the file", "the schema"))


def _attempt(written: Type | Link, wanted: Type, path: str, budget: Budget) -> Step:
    """Return the step of a branch; where the branch cannot be resolved, the step fails when a value takes it."""
    try:
        return _resolve(written, wanted, path, budget)
    except Unresolvable as error:
        told = f"{error.what}; {error.expected}"
    place = path

    def step(data: bytes, at: int, out: bytearray) -> int:  # noqa: ARG001  a step
        raise Broken(told if place else f"the event: {told}")

    return step


def _copy(skip: Skip) -> Step:
    """Return the step that copies a value as it stands."""

    def step(data: bytes, at: int, out: bytearray) -> int:
        end = skip(data, at)
        out += data[at:end]
        return end

    return step


def _any_of(steps: list[Step]) -> Step:
    """Return the step of a union in the file, given the step of each branch."""

    def step(data: bytes, at: int, out: bytearray) -> int:
        index, at = take_branch(len(steps), data, at)
        return steps[index](data, at, out)

    return step


def _branch_of(written: Type, wanted: Union, path: str, budget: Budget) -> Step:
    """Return the step into a union of ours: as Java, into the branch of the same type, else by the first promotion."""
    index, inner = _same_branch(written, wanted, path, budget) or _promoted_branch(written, wanted, path, budget)
    prefix = pack_long(index)

    def step(data: bytes, at: int, out: bytearray) -> int:
        out += prefix
        return inner(data, at, out)

    return step


def _same_branch(written: Type, wanted: Union, path: str, budget: Budget) -> tuple[int, Step] | None:
    """Return the branch of the same type, and its step; among records, one of the same name comes first."""
    found: tuple[int, Step] | None = None
    for index, branch in enumerate(wanted.branches):
        if type(branch) is not type(written) or (isinstance(branch, Scalar) and promotes(written, branch)):
            continue
        try:
            step = _resolve(written, branch, path, budget)
        except Unresolvable:
            continue
        if not isinstance(written, Record) or goes_by(written.name, branch):
            return index, step
        found = found or (index, step)
    return found


def _promoted_branch(written: Type, wanted: Union, path: str, budget: Budget) -> tuple[int, Step]:
    """Return the first branch that a type is promoted to, and its step."""
    for index, branch in enumerate(wanted.branches):
        if promotes(written, branch):
            return index, _resolve(written, branch, path, budget)
    alone = [branch for branch in wanted.branches if branch != Scalar("null")]
    if len(alone) == 1:  # the error of the only branch says more than one about the union
        _resolve(written, alone[0], path, budget)
    return _refuse(written, wanted, path)


def _record(written: Record, wanted: Record, path: str, budget: Budget) -> Step:
    """Return the step of a record, which fills fields that the file does not have with our defaults."""
    found = paired(written, wanted)
    places: dict[str, int] = {name: wanted.members.index(member) for name, member in found.items()}
    parts = [member.default for member in wanted.members]
    for number, member in enumerate(wanted.members):
        if member.default is None and number not in places.values():
            inner = f"{path}.{member.name}".lstrip(".")
            raise Unresolvable(inner, "the file has no such field", "expected one, or a default in the schema")
    fields: list[_Field] = []
    for theirs in written.members:
        place = places.get(theirs.name)
        inner = f"{path}.{theirs.name}".lstrip(".")
        read = (
            _pass_over(skipper(theirs.type, budget))
            if place is None
            else _resolve(theirs.type, wanted.members[place].type, inner, budget)
        )
        fields.append((theirs.name, place, read))
    # Records that are not in an array or a map are as many as events.
    return _fields(fields, parts, budget if "[]" in path else None)


def _pass_over(skip: Skip) -> Step:
    """Return the step that reads a field which our schema does not have, and appends nothing."""
    return lambda data, at, out: skip(data, at)  # noqa: ARG005  a step


def _fields(fields: list[_Field], parts: list[bytes | None], budget: Budget | None) -> Step:
    """Return the step of a record.

    Args:
        fields: the fields of the file, in its order.
        parts: the encoded default of each of our fields, in our order; None for a field that the file has.
        budget: charged for each record, or None.
    """
    steps = len(fields) + len(parts)

    def run(data: bytes, at: int, out: bytearray) -> int:
        if budget is not None:
            budget.spend(steps)
        found: list[bytes | bytearray | None] = [*parts]
        for name, place, step in fields:
            part = bytearray()
            try:
                at = step(data, at, part)
            except Broken as broken:
                raise broken.inside(name) from None
            if place is not None:
                found[place] = part
        for each in found:
            out += each or b""
        if len(out) > _MOST_BYTES:
            raise Broken(f"more than {_MOST_BYTES:,} bytes with the defaults of the schema")
        return at

    return run


def _items(steps: list[Step], budget: Budget, *, sized: bool) -> Step:
    """Return the step of an array or a map, given the steps of one item, and whether an item has bytes (`sized`)."""

    def run(data: bytes, at: int, out: bytearray) -> int:
        while True:
            count, at, _ = take_count(data, at, sized=sized)
            out += pack_long(count)
            if count == 0:
                return at
            if not sized:
                budget.spend_empty(count)
            budget.spend(count * len(steps) + 1)
            for _ in range(count):
                for step in steps:
                    at = step(data, at, out)
                if len(out) > _MOST_BYTES:
                    raise Broken(f"more than {_MOST_BYTES:,} bytes with the defaults of the schema")

    return run
