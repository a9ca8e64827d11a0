"""Events of another schema, resolved to ours as Avro does.

What is alike in both is copied as it stands, so that the decoder sees of a file what it would see of the stream. A
record is told by its fields, whatever its name, as Java does; an enum and a fixed by their names.
"""

from collections.abc import Iterator
from typing import NoReturn

from scorer.avro.binary import pack_long
from scorer.avro.container import Block
from scorer.avro.conversion import Step, conversion
from scorer.avro.grammar import Array, Link, Map, Record, Scalar, Type, Union, has_bytes
from scorer.avro.likeness import Unresolvable, alike, goes_by, mismatch, paired, promotes
from scorer.avro.skipping import Broken, Budget, Skip, skipper, take_branch, take_count

_MOST_BYTES = 2**27  # of an event of ours: defaults may be longer than what they stand for

_Field = tuple[str, int | None, Step]  # of the file: its name, its place among ours if it has one, and how it is read
_KEY = Scalar("string")


class Resolution:
    """Turns events of one schema into bodies of another.

    Args:
        written: the schema of the events.
        record: of the bodies.

    Raises:
        Unresolvable: no event of the one can be one of the other.
    """

    def __init__(self, written: Type | Link, record: Record) -> None:
        self._budget = Budget()
        self._step = _resolve(written, record, "", self._budget)

    def split(self, block: Block) -> Iterator[bytes]:
        """Yield the bodies of the events of a block.

        Raises:
            Broken: the next event has no end, cannot be one of ours, or takes too many steps.
        """
        at, data = 0, block.data
        self._budget.begin(block.size)
        for _ in range(block.count):
            self._budget.add_event()
            body = bytearray()
            at = self._step(data, at, body)
            yield bytes(body)
        if at < len(data):
            raise Broken(f"the block has {len(data) - at} bytes behind its last event")


def _resolve(written: Type | Link, wanted: Type, path: str, budget: Budget) -> Step:  # noqa: PLR0911  one a kind of type
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
    raise Unresolvable(path, *mismatch(written, wanted, "the file", "the schema"))


def _attempt(written: Type | Link, wanted: Type, path: str, budget: Budget) -> Step:
    """Return the step of a branch: one that no value can take is told when a value takes it."""
    try:
        return _resolve(written, wanted, path, budget)
    except Unresolvable as error:
        told = f"{error.what}; {error.expected}"
    place = path

    def step(data: bytes, at: int, out: bytearray) -> int:  # noqa: ARG001  a step
        raise Broken(told if place else f"the event: {told}")

    return step


def _copy(skip: Skip) -> Step:
    def step(data: bytes, at: int, out: bytearray) -> int:
        end = skip(data, at)
        out += data[at:end]
        return end

    return step


def _any_of(steps: list[Step]) -> Step:
    def step(data: bytes, at: int, out: bytearray) -> int:
        index, at = take_branch(len(steps), data, at)
        return steps[index](data, at, out)

    return step


def _branch_of(written: Type, wanted: Union, path: str, budget: Budget) -> Step:
    """Return the step into the branch that Java takes: of the same type, or else the first that it is promoted to."""
    index, inner = _same_branch(written, wanted, path, budget) or _promoted_branch(written, wanted, path, budget)
    prefix = pack_long(index)

    def step(data: bytes, at: int, out: bytearray) -> int:
        out += prefix
        return inner(data, at, out)

    return step


def _same_branch(written: Type, wanted: Union, path: str, budget: Budget) -> tuple[int, Step] | None:
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
    for index, branch in enumerate(wanted.branches):
        if promotes(written, branch):
            return index, _resolve(written, branch, path, budget)
    alone = [branch for branch in wanted.branches if branch != Scalar("null")]
    if len(alone) == 1:  # then what is wrong with it says more
        _resolve(written, alone[0], path, budget)
    return _refuse(written, wanted, path)


def _record(written: Record, wanted: Record, path: str, budget: Budget) -> Step:
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
    return lambda data, at, out: skip(data, at)  # noqa: ARG005  a step


def _fields(fields: list[_Field], parts: list[bytes | None], budget: Budget | None) -> Step:
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
