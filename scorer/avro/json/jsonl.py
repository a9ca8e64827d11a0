"""Events between plain JSON and Avro.

Plain JSON has no wrapper around the value of a union: the branch is the one with the closest type that the value fits
(see `_distance`). Dates and times are ISO 8601 text (in UTC, or without a zone for local ones) or numbers in the
schema's unit, decimals text or numbers, bytes base64, and the floating-point values that JSON lacks are "NaN",
"Infinity" and "-Infinity". A field that is absent takes its default, or null.
"""

import sys
from collections.abc import Mapping
from typing import Any, NoReturn, cast

import numpy as np

from scorer.avro.decode.decoder import Decoder
from scorer.avro.decode.wanted import Wanted
from scorer.avro.framing import unframed
from scorer.avro.json.usual import Unusual, encoder
from scorer.avro.json.wrapped import unwrapped
from scorer.avro.schema.schema import Schema
from scorer.avro.types.grammar import NULL, Array, Map, Record, Scalar, Type, Union, without_null
from scorer.avro.values.binary import pack, pack_long, unpack, unpack_long
from scorer.avro.values.plain import Misfit, expected, from_json, to_json
from scorer.avro.values.showing import shown
from scorer.batch import Records
from scorer.errors import Misconfigured, Problem, suggestion

_KEY = Scalar("string")
_END = pack_long(0)  # ends the blocks of an array or a map
_CLOSEST: Mapping[type, tuple[frozenset[str], ...]] = {
    str: (frozenset({"enum", "uuid", "date", "time", "timestamp"}), frozenset({"string"})),
    int: (frozenset({"int", "long"}), frozenset({"date", "time", "timestamp"}), frozenset({"double"})),
    float: (frozenset({"double"}), frozenset({"float"})),
}


class BadEvent(Misconfigured):
    """An event in a file that does not fit the schema."""

    def __init__(self, where: str, what: str, expected: str) -> None:
        super().__init__([Problem(where, what, expected)])


class Converter:
    """Converts events of a schema."""

    def __init__(self, schema: Schema) -> None:
        self._record = schema.record
        self._usual = encoder(schema.record, _general)
        self._decoder = Decoder(Wanted(schema), unframed(schema), sys.maxsize)

    def to_avro(self, obj: Mapping[str, Any], where: str) -> bytes:
        """Return the Avro body of an event given as plain JSON.

        Args:
            obj: the event.
            where: the event's name in errors.

        Raises:
            BadEvent: a value does not fit its field, a field is unknown, or a field without a default is absent.
        """
        try:
            return self._usual(obj)
        except (Unusual, BadEvent, *Misfit):  # it is encoded again, which tells what is wrong where
            out = bytearray()
            _Writer(where).write(self._record, obj, "", out)
            return bytes(out)

    def to_json(self, body: bytes) -> dict[str, Any]:
        """Return an event's Avro body as plain JSON.

        Raises:
            BadEvent: the bytes are not a body of the schema.
        """
        none, data = np.zeros(1, np.int64), np.frombuffer(body, np.uint8)
        place = none.astype(np.int32)
        events = self._decoder.decode(Records(("",), place, place, none, none, (None,), data, none + len(body)))
        if events.rejected:
            raise BadEvent("the event", events.rejected[0].detail, "")
        try:
            event, _ = _read(self._record, body, 0)
        except UnicodeDecodeError as error:
            raise BadEvent("the event", f"a string is not UTF-8: {error.object!r}", "expected text") from None
        except ValueError as error:
            raise BadEvent("the event", str(error), "") from None
        return cast("dict[str, Any]", event)


def default_of(record: Record, path: str, present: int) -> Any:  # noqa: ANN401  JSON
    """Return the value of a field, as plain JSON, in an event that lacks it or a record around it.

    Args:
        record: the type of an event.
        path: the field's dotted path.
        present: how many names of the path the event has.

    Raises:
        LookupError: it has no default, and may not be null.
    """
    names, kind = path.split("."), cast("Type", record)
    for name in names[: present + 1]:
        inner, _ = without_null(kind)
        assert isinstance(inner, Record)  # noqa: S101  the path leads to a field
        member = next(each for each in inner.members if each.name == name)
        kind = member.type
    if member.default is None:
        if without_null(kind)[1]:
            return None
        raise LookupError(path)
    value, _ = _read(kind, member.default, 0)
    for name in names[present + 1 :]:
        value = value and value[name]
    return value


def _general(kind: Type, value: Any) -> bytes:  # noqa: ANN401  JSON
    out = bytearray()
    _Writer("").write(kind, value, "", out)
    return bytes(out)


class _Writer:
    """Encodes plain JSON as Avro."""

    def __init__(self, where: str) -> None:
        self._where = where

    def write(self, kind: Type, value: Any, path: str, out: bytearray) -> None:  # noqa: ANN401  JSON
        match kind:
            case Scalar():
                try:
                    out += pack(kind, from_json(kind, value))
                except Misfit:
                    self._refuse(kind, value, path)
            case Record() if isinstance(value, Mapping):
                self._write_record(kind, value, path, out)
            case Union():
                self._write_union(kind, value, path, out)
            case Array(items=items) if isinstance(value, list):
                out += pack_long(len(value))
                for index, item in enumerate(value):
                    self.write(items, item, f"{path}[{index}]", out)
                out += _END if value else b""
            case Map(values=values) if isinstance(value, Mapping):
                out += pack_long(len(value))
                for key, item in value.items():
                    inner = f"{path}[{key!a}]"
                    self.write(_KEY, key, inner, out)
                    self.write(values, item, inner, out)
                out += _END if value else b""
            case _:
                self._refuse(kind, value, path)

    def _write_record(self, kind: Record, value: Mapping[str, Any], path: str, out: bytearray) -> None:
        names = [member.name for member in kind.members]
        for name in value:
            if name not in names:
                hint = suggestion(name, names) or f"expected {', '.join(names) or 'no fields'}"
                self._fail(path, f"unknown field {name!a}", hint)
        for member in kind.members:
            inner = f"{path}.{member.name}".lstrip(".")
            if member.name in value:
                self.write(member.type, value[member.name], inner, out)
            elif member.default is not None:
                out += member.default
            elif without_null(member.type)[1]:
                self.write(member.type, None, inner, out)
            else:
                self._fail(inner, "absent", f"expected {_form(member.type)}, since there is no default")

    def _write_union(self, kind: Union, value: Any, path: str, out: bytearray) -> None:  # noqa: ANN401  JSON
        fitting = [each for each in enumerate(kind.branches) if (each[1] == NULL) == (value is None)]
        for index, branch in sorted(fitting, key=lambda each: _distance(each[1], value)):
            inside = bytearray(pack_long(index))
            try:
                self.write(branch, value, path, inside)
            except BadEvent:
                if len(fitting) == 1 and not unwrapped(kind, value):
                    raise
            else:
                out += inside
                return
        if hint := unwrapped(kind, value):
            self._fail(path, shown(value), hint)
        self._refuse(kind, value, path)

    def _refuse(self, kind: Type, value: Any, path: str) -> NoReturn:  # noqa: ANN401  JSON
        self._fail(path, shown(value), f"expected {_form(kind)}")

    def _fail(self, path: str, what: str, hint: str) -> NoReturn:
        raise BadEvent(f"{self._where}: {path}" if path else self._where, what, hint)


def _distance(kind: Type, value: Any) -> int:  # noqa: ANN401  JSON
    """Return how far a type is from the JSON type of a value: 0 is the closest."""
    if not isinstance(kind, Scalar):
        return int(isinstance(kind, Map))  # a record is closer than a map, since it is more specific
    closest = _CLOSEST.get(type(value), ())
    return next((rank for rank, meanings in enumerate(closest) if kind.meaning in meanings), len(closest))


def _form(kind: Type) -> str:
    """Describe the plain JSON of a type."""
    match kind:
        case Scalar():
            return expected(kind)
        case Array():
            return "a list"
        case Union(branches=branches):
            return " or ".join(map(_form, branches))
        case _:
            return "an object"


def _read(kind: Type, body: bytes, at: int) -> tuple[Any, int]:
    """Return the value at a position of a structurally valid body, and the position after it.

    Raises:
        ValueError: a string or a decimal is invalid, or an array has more items than the body has bytes.
    """
    match kind:
        case Scalar():
            raw, at = unpack(kind, body, at)
            return to_json(kind, raw), at
        case Record(members=members):
            event = {}
            for member in members:
                event[member.name], at = _read(member.type, body, at)
            return event, at
        case Union(branches=branches):
            index, at = unpack_long(body, at)
            return _read(branches[index], body, at)
        case Array(items=items):
            values, at = _read_items([items], body, at)
            return [item for (item,) in values], at
        case Map(values=inner):
            values, at = _read_items([_KEY, inner], body, at)
            return dict(values), at


def _read_items(kinds: list[Type], body: bytes, at: int) -> tuple[list[list[Any]], int]:
    """Return the items of an array or a map, each a list of its parts, and the position after them."""
    items: list[list[Any]] = []
    while True:
        count, at = unpack_long(body, at)
        if count == 0:
            return items, at
        if count < 0:
            _, at = unpack_long(body, at)
        if len(items) + abs(count) > len(body):
            raise ValueError("an array of more items than the event has bytes")
        for _ in range(abs(count)):
            parts = []
            for kind in kinds:
                part, at = _read(kind, body, at)
                parts.append(part)
            items.append(parts)
