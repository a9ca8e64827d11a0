"""The parsing canonical form of a schema, and its fingerprint."""

import json

from scorer.avro.types.grammar import Array, Map, Record, Scalar, Type, Union

_EMPTY = 0xC15D213AA4D7A795  # of CRC-64-AVRO


def canonical_form(kind: Type) -> str:
    """Return the parsing canonical form of a type, as the specification defines it."""
    return _form(kind, set())


def fingerprint(text: str) -> bytes:
    """Return the CRC-64-AVRO of a text: 8 bytes, little-endian."""
    value = _EMPTY
    for byte in text.encode():
        value = (value >> 8) ^ _TABLE[(value ^ byte) & 0xFF]
    return value.to_bytes(8, "little")


def _form(kind: Type, seen: set[str]) -> str:
    match kind:
        case Record() | Scalar(base="enum" | "fixed"):
            if kind.name in seen:
                return _text(kind.name)
            seen.add(kind.name)
            return f'{{"name":{_text(kind.name)},{_inside(kind, seen)}}}'
        case Scalar():
            return _text(kind.base)
        case Array(items=inner):
            return f'{{"type":"array","items":{_form(inner, seen)}}}'
        case Map(values=inner):
            return f'{{"type":"map","values":{_form(inner, seen)}}}'
        case Union(branches=branches):
            return f"[{','.join(_form(branch, seen) for branch in branches)}]"


def _inside(kind: Record | Scalar, seen: set[str]) -> str:
    if isinstance(kind, Scalar):
        if kind.base == "fixed":
            return f'"type":"fixed","size":{kind.size}'
        return f'"type":"enum","symbols":[{",".join(map(_text, kind.symbols))}]'
    fields = (f'{{"name":{_text(member.name)},"type":{_form(member.type, seen)}}}' for member in kind.members)
    return f'"type":"record","fields":[{",".join(fields)}]'


def _text(word: str) -> str:
    return json.dumps(word, ensure_ascii=False)


def _table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = (value >> 1) ^ (_EMPTY & -(value & 1))
        table.append(value)
    return tuple(table)


_TABLE = _table()
