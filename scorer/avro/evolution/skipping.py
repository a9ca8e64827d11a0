"""Skips values of any schema, recursive ones included, without trusting a length or a count.

Unfinished arrays and records are kept in a list, not on Python's stack, since the file decides how deeply they nest.
"""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from scorer.avro.decode.splitting import Stepper
from scorer.avro.types.grammar import NULL, Array, Link, Map, Record, Scalar, Type, Union, has_bytes
from scorer.avro.values.binary import unpack_long

DEEPEST = 100_000  # values that may be nested in one another
# Steps in Python that a block may take, about a second of them. A few compressed bytes may expand to a hundred million
# items, so the limit depends on the size of the block in the file, and on the number of its events.
MOST_STEPS = 500_000
STEPS_OF_BYTE = 16
STEPS_OF_EVENT = 100
MOST_EMPTY = 100_000  # items of a block, or events of a file, that take no bytes: nothing else limits their number
_LONGEST_VARINT = 10
_WIDTHS = {"null": 0, "boolean": 1, "float": 4, "double": 8}

Skip = Callable[[bytes, int], int]  # takes the position where a value begins; returns the position after it


class Broken(Exception):
    """A value is incomplete, or cannot be converted; the text says why."""

    def inside(self, name: str) -> "Broken":
        """Return the same error for the value that contains this one under a name."""
        return Broken(f"{name}.{self}" if ": " in str(self) else f"{name}: {self}")


class Budget:
    """The steps that the current block may still take.

    left: the number of steps.
    """

    __slots__ = ("_empty", "left")

    def __init__(self) -> None:
        self.left = self._empty = 0

    def begin(self, size: int) -> None:
        """Begin a block of this size in the file."""
        self.left, self._empty = MOST_STEPS + STEPS_OF_BYTE * size, MOST_EMPTY

    def add_event(self) -> None:
        """Allow the steps of one more event."""
        self.left += STEPS_OF_EVENT

    def spend(self, steps: int) -> None:
        """Take some steps.

        Raises:
            Broken: fewer steps are left.
        """
        self.left -= steps
        if self.left < 0:
            raise Broken("the block decompresses to more values than can be read in reasonable time for its size")

    def spend_empty(self, items: int) -> None:
        """Count items that take no bytes.

        Raises:
            Broken: there were too many.
        """
        self._empty -= items
        if self._empty < 0:
            raise Broken(f"more than {MOST_EMPTY:,} items without bytes")


@dataclass(frozen=True, slots=True)
class _Blocks:
    """The blocks of an array or a map that were not skipped yet."""

    parts: tuple[Type, ...]  # the parts of an item, last first, without those that take no bytes


@dataclass(frozen=True, slots=True)
class _Items:
    """The items of a block that were not skipped yet."""

    parts: tuple[Type, ...]
    left: int


def take_long(data: bytes, at: int) -> tuple[int, int]:
    """Return a number, and the position after it.

    Raises:
        Broken: the number is incomplete, or has more than 64 bits; the other functions raise it likewise.
    """
    if at < len(data) and data[at] < 0x80:  # noqa: PLR2004  most numbers have one byte
        return (data[at] >> 1) ^ -(data[at] & 1), at + 1
    number, following = unpack_long(data, at)
    if following == at or data[following - 1] & 0x80:
        long = following - at >= _LONGEST_VARINT
        raise Broken("a number of more than 64 bits" if long else "the block ends too early")
    return number, following


def take_branch(branches: int, data: bytes, at: int) -> tuple[int, int]:
    """Return the index of a union's branch, and the position where its value begins."""
    index, at = take_long(data, at)
    if not 0 <= index < branches:
        raise Broken(f"branch {index} of a union of {branches}")
    return index, at


def take_count(data: bytes, at: int, *, sized: bool) -> tuple[int, int, int]:
    """Return the number of items of a block, where they begin, and where they end (-1 if the block does not say).

    Args:
        data: the block of events.
        at: where the block of items begins.
        sized: whether each item takes at least one byte.
    """
    count, at = take_long(data, at)
    end = -1
    if count < 0:
        size, at = take_long(data, at)
        end = _forward(data, at, size)
    if sized and abs(count) > len(data) - at:
        raise Broken(f"{abs(count)} items where {len(data) - at} bytes are left")
    return abs(count), at, end


def take(kind: Scalar, data: bytes, at: int) -> tuple[int, int]:
    """Return the positions where the content of a scalar begins and ends."""
    if kind.base in {"int", "long", "enum"}:
        return at, take_long(data, at)[1]
    if kind.base in {"string", "bytes"}:
        size, at = take_long(data, at)
        return at, _forward(data, at, size)
    return at, _forward(data, at, kind.size if kind.base == "fixed" else _WIDTHS[kind.base])


def real(kind: Scalar, data: bytes, at: int) -> tuple[float, int]:
    """Return the value of a float or an integer, and the position after it."""
    start, end = take(kind, data, at)
    if kind.base == "float":
        return struct.unpack_from("<f", data, start)[0], end
    return float(unpack_long(data, start)[0]), end


def skipper(kind: Type | Link, budget: Budget) -> Skip:
    """Return the function that skips values of a type."""
    if isinstance(kind, Scalar):
        return _scalar_skipper(kind)
    if isinstance(kind, Union) and all(isinstance(branch, Scalar) for branch in kind.branches):
        return _choice_skipper([_scalar_skipper(branch) for branch in kind.branches if isinstance(branch, Scalar)])
    inside: dict[Record, tuple[Type, ...]] = {}

    def skip(data: bytes, at: int) -> int:
        return _skip(kind, data, at, inside, budget)

    return skip if isinstance(kind, Link) or _has_link(kind) else _compiled_skipper(kind, skip)


def _compiled_skipper(kind: Type, explain: Skip) -> Skip:
    """Return the function that skips values in a kernel; if a value is incomplete, `explain` raises the reason."""
    stepper = Stepper(kind)

    def skip(data: bytes, at: int) -> int:
        end = stepper.end(data, at)
        return explain(data, at) if end is None else end

    return skip


def _has_link(kind: Type | Link) -> bool:
    match kind:
        case Record(members=members):
            return any(_has_link(member.type) for member in members)
        case Array(items=inner) | Map(values=inner):
            return _has_link(inner)
        case Union(branches=branches):
            return any(map(_has_link, branches))
        case _:
            return isinstance(kind, Link)


def _scalar_skipper(kind: Scalar) -> Skip:
    if kind.base == "fixed" or kind.base in _WIDTHS:
        width = _WIDTHS.get(kind.base, kind.size)
        return lambda data, at: at + width if at + width <= len(data) else _forward(data, at, width)
    return lambda data, at: take(kind, data, at)[1]


def _choice_skipper(skips: list[Skip]) -> Skip:
    def skip(data: bytes, at: int) -> int:
        index, at = take_branch(len(skips), data, at)
        return skips[index](data, at)

    return skip


def _skip(kind: Type | Link, data: bytes, at: int, inside: dict[Record, tuple[Type, ...]], budget: Budget) -> int:
    waiting: list[Type | Link | _Blocks | _Items] = [kind]
    idle, before, steps = 0, at, 0  # idle: the steps since a byte was read, since a type may contain nothing but itself
    while waiting:
        steps += 1
        if steps > budget.left:
            break
        match waiting.pop():
            case Scalar() as scalar:
                at = take(scalar, data, at)[1]
            case Union(branches=branches):
                index, at = take_branch(len(branches), data, at)
                waiting.append(branches[index])
            case _Blocks(parts=parts) as blocks:
                at = _begin_block(blocks, parts, data, at, waiting)
            case other:
                waiting += _inside(other, inside)
        idle, before = (0, at) if at != before else (idle + 1, at)
        if max(idle, len(waiting)) > DEEPEST:
            raise Broken(f"values nested more than {DEEPEST:,} deep")
    budget.spend(steps)
    return at


def _inside(
    kind: Record | Array | Map | Link | _Items, known: dict[Record, tuple[Type, ...]]
) -> Sequence[Type | _Blocks | _Items]:
    """Return the parts to skip in place of a value that has no bytes of its own, last first."""
    match kind:
        case Record():
            if kind not in known:
                known[kind] = _sized(*(member.type for member in kind.members))
            return known[kind]
        case Array(items=items):
            return (_Blocks(_sized(items)),)
        case Map(values=values):
            return (_Blocks(_sized(Scalar("string"), values)),)
        case Link():
            return (kind.target,)
        case _Items(parts=parts, left=left):
            return (_Items(parts, left - 1), *parts) if left > 1 else parts


def _begin_block(
    blocks: _Blocks, parts: tuple[Type, ...], data: bytes, at: int, waiting: list[Type | Link | _Blocks | _Items]
) -> int:
    count, at, end = take_count(data, at, sized=bool(parts))
    if count == 0:
        return at
    waiting.append(blocks)
    if end >= 0:
        return end
    if parts:
        waiting.append(_Items(parts, count))
    return at


def _sized(*kinds: Type) -> tuple[Type, ...]:
    """Return the types whose values take bytes, last first."""
    return tuple(kind for kind in reversed(kinds) if kind != NULL and has_bytes(kind))


def _forward(data: bytes, at: int, size: int) -> int:
    if size < 0:
        raise Broken(f"a length of {size}")
    if size > len(data) - at:
        raise Broken(f"{size} bytes where {len(data) - at} are left")
    return at + size
