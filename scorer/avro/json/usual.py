"""A fast path that encodes common events, given as plain JSON, in a third of the time.

Each field has an encoder that is chosen once, for its type. An unusual event, such as one with an unknown field or a
value that does not fit, is refused without a reason; the caller then uses the slow path, whose errors say more.
"""

import struct
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from scorer.avro.types.grammar import NULL, Record, Scalar, Type, Union, without_null
from scorer.avro.values.binary import pack, pack_long
from scorer.avro.values.instants import parse_date, parse_time, parse_timestamp
from scorer.avro.values.plain import from_json

Encode = Callable[[Any], bytes]
General = Callable[[Type, Any], bytes]  # encodes a value of any type

_SMALL = tuple(pack_long(number) for number in range(256))
_BOUNDS = {"int": 1 << 31, "long": 1 << 63}
_DOUBLE = struct.Struct("<d").pack
_NUMBERS = {float, int}
_TWO = 2  # branches of a union that is null or something else


class Unusual(Exception):
    """The fast path cannot encode an event, which may still be valid."""


def encoder(kind: Type, general: General) -> Encode:
    """Return a function that encodes common values of a type; it raises Unusual, or whatever `general` raises.

    Args:
        kind: the type.
        general: encodes values of all other types, and the null of an absent field.
    """
    match kind:
        case Record():
            return _record(kind, general)
        case Union(branches=branches) if len(branches) == _TWO and NULL in branches:
            return _optional(kind, general)
        case Scalar():
            return _scalar(kind)
        case _:
            return lambda value: general(kind, value)


def _record(kind: Record, general: General) -> Encode:
    members = []
    for member in kind.members:
        absent = general(member.type, None) if without_null(member.type)[1] else None
        absent = absent if member.default is None else member.default
        members.append((member.name, encoder(member.type, general), absent))

    def encode(value: Any) -> bytes:  # noqa: ANN401  JSON
        if not isinstance(value, Mapping):
            raise Unusual
        parts, given = list[bytes](), 0
        for name, inner, absent in members:
            if name in value:
                parts.append(inner(value[name]))
                given += 1
            elif absent is not None:
                parts.append(absent)
            else:
                raise Unusual
        if given != len(value):
            raise Unusual
        return b"".join(parts)

    return encode


def _optional(kind: Union, general: General) -> Encode:
    at = kind.branches.index(NULL)
    null, some, inner = pack_long(at), pack_long(1 - at), encoder(kind.branches[1 - at], general)

    def encode(value: Any) -> bytes:  # noqa: ANN401  JSON
        return null if value is None else some + inner(value)

    return encode


def _scalar(kind: Scalar) -> Encode:
    def other(value: Any) -> bytes:  # noqa: ANN401  JSON
        return pack(kind, from_json(kind, value))

    def text(value: Any) -> bytes:  # noqa: ANN401  JSON
        if type(value) is not str:
            return other(value)
        encoded = value.encode()
        return _long(len(encoded)) + encoded

    def number(value: Any) -> bytes:  # noqa: ANN401  JSON
        return _long(value) if type(value) is int and -bound <= value < bound else other(value)

    def double(value: Any) -> bytes:  # noqa: ANN401  JSON
        return _DOUBLE(float(value)) if type(value) in _NUMBERS else other(value)

    def instant(value: Any) -> bytes:  # noqa: ANN401  JSON
        since = parse(value) if type(value) is str else bound
        return pack_long(since) if -bound <= since < bound else other(value)

    def symbol(value: Any) -> bytes:  # noqa: ANN401  JSON
        return (symbols.get(value) if type(value) is str else None) or other(value)

    bound = _BOUNDS.get(kind.base, 0)
    parses: dict[str, Callable[[str], int]] = {
        "date": parse_date,
        "time": partial(parse_time, ticks=kind.ticks),
        "timestamp": partial(parse_timestamp, ticks=kind.ticks),
    }
    parse = parses.get(kind.meaning, int)
    symbols = {name: pack_long(number) for number, name in reversed([*enumerate(kind.symbols)])}
    return {
        "string": text,
        "int": number,
        "long": number,
        "double": double,
        "enum": symbol,
        "date": instant,
        "time": instant,
        "timestamp": instant,
    }.get(kind.meaning, other)


def _long(number: int) -> bytes:
    return _SMALL[number] if 0 <= number < len(_SMALL) else pack_long(number)
