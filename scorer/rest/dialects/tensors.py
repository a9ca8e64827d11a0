"""Tensors of the Open Inference Protocol: as JSON, and as bytes behind the JSON."""

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from scorer.rest.messages import Request, Response, encoded, wrong

HEADER = "inference-header-content-length"  # of the JSON, if tensors follow it as bytes
BINARY = "application/octet-stream"
_TYPES = {
    "BOOL": "?",
    **{f"UINT{8 * size}": f"<u{size}" for size in (1, 2, 4, 8)},
    **{f"INT{8 * size}": f"<i{size}" for size in (1, 2, 4, 8)},
    **{f"FP{8 * size}": f"<f{size}" for size in (2, 4, 8)},
}
_BYTES = "BYTES"
_MOST_DIMENSIONS, _MOST_SIZE = 8, 2**31
_MOST_DIGITS = 18  # of a number of bytes


def parts(request: Request) -> tuple[bytes, "Bytes"]:
    """Return the JSON of a body, and the bytes of tensors behind it."""
    declared = request.headers.get(HEADER)
    if declared is None:
        return request.body, Bytes(b"")
    if not declared.isdecimal() or len(declared) > _MOST_DIGITS or int(declared) > len(request.body):
        raise wrong(HEADER, declared, f"a number of bytes up to the {len(request.body)} of the body")
    size = int(declared)
    return request.body[:size], Bytes(request.body[size:])


def binary_wanted(document: Mapping[str, Any], outputs: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a request asks for its only output as bytes: the output says so, or else the request.

    Raises:
        Refused: it says neither true nor false.
    """
    asked = False
    asking = [(f"outputs[{at}].parameters", each, "binary_data") for at, each in enumerate(outputs)]
    for where, each, name in [("parameters", document, "binary_data_output"), *asking]:
        parameters = each.get("parameters") or {}
        if not isinstance(parameters, Mapping):
            raise wrong(where, parameters, "an object")
        if not isinstance(parameters.get(name, False), bool):
            raise wrong(f"{where}.{name}", parameters[name], "true or false")
        asked = parameters.get(name, asked)
    return asked


def with_bytes(document: Mapping[str, Any], output: Mapping[str, Any], scores: Sequence[Any]) -> Response:
    """Return the response whose only output follows the JSON, as numbers of its type in row-major order.

    Args:
        document: the response without outputs.
        output: the output without its data.
        scores: its data; text where a score is not finite.
    """
    data = np.array([float(score) for score in scores], _TYPES[output["datatype"]]).tobytes()
    described = {**output, "parameters": {"binary_data_size": len(data)}}
    head = encoded({**document, "outputs": [described]})
    return Response(200, head + data, BINARY, ((HEADER, str(len(head))),))


class Bytes:
    """The bytes of tensors, in the order of the inputs."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, size: object, where: str) -> bytes:
        """Return the bytes of the next tensor.

        Raises:
            Refused: there are not so many.
        """
        left = len(self._data) - self._at
        if not isinstance(size, int) or not 0 <= size <= left:
            raise wrong(f"{where}.parameters.binary_data_size", size, f"a number up to the {left} bytes that are left")
        self._at += size
        return self._data[self._at - size : self._at]


class Tensor:
    """A tensor with its values in row-major order."""

    def __init__(self, name: str, shape: tuple[int, ...], values: list[Any]) -> None:
        self.name, self.shape, self.values = name, shape, values

    @classmethod
    def read(cls, given: object, where: str, tensors: Bytes) -> "Tensor":
        """Read a tensor.

        Raises:
            Refused: it has another form.
        """
        if not isinstance(given, Mapping):
            raise wrong(where, given, "an object with name, shape, datatype and data")
        name, shape, datatype = given.get("name"), given.get("shape"), given.get("datatype")
        if not isinstance(name, str):
            raise wrong(f"{where}.name", name, "text")
        if not isinstance(shape, list) or not 0 < len(shape) <= _MOST_DIMENSIONS or not all(map(_is_size, shape)):
            raise wrong(f"{where}.shape", shape, f"a list of 1 to {_MOST_DIMENSIONS} sizes")
        if not isinstance(datatype, str) or (datatype not in _TYPES and datatype != _BYTES):
            raise wrong(f"{where}.datatype", datatype, f"one of {', '.join([*_TYPES, _BYTES])}")
        parameters = given.get("parameters")
        if isinstance(parameters, Mapping) and "binary_data_size" in parameters:
            values = _unpacked(tensors.take(parameters["binary_data_size"], where), datatype, where)
        elif isinstance(given.get("data"), list):
            values = list(_flat(given["data"]))
        else:
            raise wrong(f"{where}.data", given.get("data"), "a list of values")
        if len(values) != prod(shape):
            raise wrong(f"{where}.data", len(values), f"{prod(shape)} values, as the shape has")
        return cls(name, tuple(shape), values)


def _is_size(size: object) -> bool:
    return type(size) is int and 0 <= size < _MOST_SIZE


def _flat(values: list[Any]) -> Iterator[Any]:
    for value in values:
        if isinstance(value, list):
            yield from _flat(value)
        else:
            yield value


def _unpacked(data: bytes, datatype: str, where: str) -> list[Any]:
    if datatype == _BYTES:
        return list(_texts(data, where))
    kind = np.dtype(_TYPES[datatype])
    if len(data) % kind.itemsize:
        raise wrong(f"{where}.parameters.binary_data_size", len(data), f"a multiple of {kind.itemsize} for {datatype}")
    values: list[Any] = np.frombuffer(data, kind).tolist()
    return values


def _texts(data: bytes, where: str) -> Iterator[str]:
    """Yield texts, each after its length in four bytes."""
    at = 0
    while at < len(data):
        end = at + 4 + int.from_bytes(data[at : at + 4], "little")
        if end > len(data):
            raise wrong(f"{where}.data", f"a text of {end - at - 4} bytes", "texts that end within the tensor")
        try:
            yield data[at + 4 : end].decode()
        except UnicodeDecodeError:
            raise wrong(f"{where}.data", "bytes that are not text", "text in UTF-8") from None
        at = end
