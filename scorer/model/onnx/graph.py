"""Searches an ONNX file for unsupported content, before ONNX Runtime reads it.

An ONNX file is a Protocol Buffers message. Only the fields that matter are read, by their numbers in `onnx.proto`.
"""

from collections.abc import Iterator
from typing import NamedTuple

from scorer.model.saved.nodes import Damaged, Unsupported

DOMAINS = ("", "ai.onnx", "ai.onnx.ml")
_ENDLESS = {"Loop", "Scan", "SequenceMap"}  # a graph decides how often they repeat
_RANDOM = {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"}
_DEEPEST = 50  # graphs inside attributes of nodes, and the messages between
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # types of fields

# By message, the fields that hold messages to look through.
_PARTS: dict[str, dict[int, str]] = {
    "model": {7: "graph", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
_OPERATOR, _DOMAIN = 4, 7  # of a node
_EXTERNAL = (13, 14)  # of a tensor: where its data is


class _Field(NamedTuple):
    number: int
    value: int | memoryview


def check(data: bytes) -> None:
    """Search a file for unsupported content.

    Raises:
        Damaged: if it is not a Protocol Buffers message.
        Unsupported: if it has something that is not scored here.
    """
    _check(memoryview(data), "model", 0)


def _check(message: memoryview, kind: str, depth: int) -> None:
    if depth > _DEEPEST:
        raise Unsupported(f"its graphs are nested more than {_DEEPEST} deep")
    named = {_OPERATOR: "", _DOMAIN: ""}
    for field in _fields(message):
        part = _PARTS[kind].get(field.number)
        if kind == "tensor" and field.number in _EXTERNAL and field.value:
            raise Unsupported("its numbers are in another file (external data): save it as one file")
        if part == "function":
            raise Unsupported("it has functions of its own")
        if kind == "node" and field.number in named:
            named[field.number] = _content(field)[:100].tobytes().decode(errors="replace")
        if part:
            _check(_content(field), part, depth + 1)
    _check_operator(named[_OPERATOR], named[_DOMAIN])


def _check_operator(operator: str, domain: str) -> None:
    if domain not in DOMAINS:
        raise Unsupported(f"it has the operator {operator} of {domain}, which is not one of ONNX")
    if operator in _ENDLESS:
        raise Unsupported(f"it has the operator {operator}, which may repeat without end")
    if operator in _RANDOM:
        raise Unsupported(f"it has the operator {operator}, which gives other scores each time")


def _content(field: _Field) -> memoryview:
    if isinstance(field.value, int):
        raise Damaged(f"its field {field.number} is a number")
    return field.value


def _fields(message: memoryview) -> Iterator[_Field]:
    """Yield the fields of a message."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        match tag & 7:
            case 0:
                value, at = _varint(message, at)
                yield _Field(tag >> 3, value)
            case 1 | 2 | 5 as kind:
                size, at = _varint(message, at) if kind == _BYTES else (8 if kind == _FIXED64 else 4, at)
                if size > len(message) - at:
                    raise Damaged("it is cut short, or its lengths are wrong")
                yield _Field(tag >> 3, message[at : at + size])
                at += size
            case other:
                raise Damaged(f"it has a field of the unknown type {other}")


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """Return a number, and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            break
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:  # noqa: PLR2004  the highest bit says that another byte follows
            return value, at
    raise Damaged("it is cut short, or has a number of more than ten bytes")
