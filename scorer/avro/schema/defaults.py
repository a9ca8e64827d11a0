"""Encodes the defaults in a schema.

A default is JSON of the base type, whatever the logical type: an int has no quotes, and in the text for bytes each
character is one byte. The default of a union may fit any branch (since Avro 1.12); the first that it fits is taken.
"""

import json
from typing import Any

from scorer.avro.types.grammar import Array, Map, Record, Scalar, Type, Union
from scorer.avro.values.binary import Raw, pack, pack_long
from scorer.avro.values.plain import Misfit, expected, from_json, to_json
from scorer.avro.values.showing import shown

MOST_BYTES = 2**24  # of an encoded default: nested records can make a small schema's default huge
_KEY = Scalar("string")


class Unfit(Exception):
    """A default does not fit its type: what was found, and what was expected."""

    def __init__(self, what: str, wanted: str) -> None:
        super().__init__(f"{what}; {wanted}")
        self.what, self.wanted = what, wanted


def encode_default(kind: Type, value: Any, path: str = "") -> bytes:  # noqa: ANN401  JSON
    """Return the Avro encoding of a default.

    Args:
        kind: the field's type.
        value: the default, as JSON.
        path: the position of the value inside a larger default, for errors.

    Raises:
        Unfit: the default does not fit the type.
    """
    out = _encode(kind, value, path)
    if len(out) > MOST_BYTES:
        raise Unfit(f"the default has {len(out)} bytes", f"expected at most {MOST_BYTES}")
    return out


def _encode(kind: Type, value: Any, path: str) -> bytes:  # noqa: ANN401  JSON
    match kind, value:
        case Scalar(), _:
            return _encode_scalar(kind, value, path)
        case Record(), dict():
            return _encode_record(kind, value, path)
        case Union(branches=branches), _:
            return _encode_union(branches, value, path)
        case Array(items=items), list():
            encoded = [_encode(items, item, f"{path}[{index}]") for index, item in enumerate(value)]
        case Map(values=values), dict():
            encoded = [pack(_KEY, str(key)) + _encode(values, item, f"{path}[{key!a}]") for key, item in value.items()]
        case _:
            raise _unfit(kind, value, path)
    return (pack_long(len(encoded)) if encoded else b"") + b"".join(encoded) + pack_long(0)


def _encode_record(kind: Record, value: dict[str, Any], path: str) -> bytes:
    names = {member.name for member in kind.members}
    if unknown := next((name for name in value if name not in names), None):
        raise Unfit(f"the default{_at(path)} has the field {unknown!a}, which the record does not have", _a(kind))
    out = b""
    for member in kind.members:
        if member.name in value:
            out += encode_default(member.type, value[member.name], f"{path}.{member.name}".lstrip("."))
        elif member.default is not None:
            out += member.default
        else:
            raise Unfit(f"the default{_at(path)} has no '{member.name}', which has no default", _a(kind))
    return out


def _encode_union(branches: tuple[Type, ...], value: Any, path: str) -> bytes:  # noqa: ANN401  JSON
    for index, branch in enumerate(branches):
        try:
            return pack_long(index) + encode_default(branch, value, path)
        except Unfit as unfit:
            only = unfit
    if len(branches) == 1:
        raise only
    raise _unfit(Union(branches), value, path)


def _encode_scalar(kind: Scalar, value: Any, path: str) -> bytes:  # noqa: ANN401  JSON
    try:
        raw = _raw(kind, value)
        encoded = pack(kind, raw)
        to_json(kind, raw)  # raises if the bytes are not a valid decimal
    except Misfit:
        raise _unfit(kind, value, path) from None
    return encoded


def _raw(kind: Scalar, value: Any) -> Raw:  # noqa: ANN401  JSON
    match kind.base:
        case "bytes" | "fixed" if isinstance(value, str) and (kind.base == "bytes" or len(value) == kind.size):
            return value.encode("latin-1")
        case "int" | "long" | "double" | "float" | "null" | "boolean" | "string" if not _is_fraction(kind, value):
            return from_json(Scalar(kind.base), value)
        case "enum":
            return from_json(kind, value)
    raise ValueError


def _is_fraction(kind: Scalar, value: object) -> bool:
    return kind.base in {"int", "long"} and isinstance(value, float)


def _unfit(kind: Type, value: Any, path: str) -> Unfit:  # noqa: ANN401  JSON
    hint = _without_quotes(kind, value)
    return Unfit(f"the default{_at(path)} is {_words(value)}", _a(kind) + hint)


def _at(path: str) -> str:
    return f" of '{path}'" if path else ""


def _a(kind: Type) -> str:
    return f"expected {_form(kind)}"


def _without_quotes(kind: Type, value: Any) -> str:  # noqa: ANN401  JSON
    """Return a hint to remove the quotes of a text, if the default would then fit; otherwise an empty text."""
    if not isinstance(value, str):
        return ""
    try:
        encode_default(kind, json.loads(value))
    except (ValueError, RecursionError, Unfit):
        return ""
    return f", so {shown(json.loads(value))} without quotes"


def _words(value: Any) -> str:  # noqa: ANN401  JSON
    return f"the text {shown(value)}" if isinstance(value, str) else shown(value)


def _form(kind: Type) -> str:  # noqa: PLR0911  one a kind of type
    match kind:
        case Scalar(base="bytes"):
            return f"text whose characters, \\u0000 to \\u00ff, are bytes{_digits(kind)}"
        case Scalar(base="fixed"):
            return f"text of {kind.size} characters, \\u0000 to \\u00ff, each one byte{_digits(kind)}"
        case Scalar(base="enum"):
            return expected(kind)
        case Scalar():
            return expected(Scalar(kind.base))
        case Array():
            return "a list"
        case Union(branches=branches):
            return " or ".join(map(_form, branches)) or "none, for the union is empty"
        case _:
            return "an object"


def _digits(kind: Scalar) -> str:
    return f" of a decimal of at most {kind.precision} digits" if kind.logical == "decimal" else ""
