"""Open Inference Protocol v2, which KServe, Seldon, MLServer and Triton speak: JSON, and tensors as binary input."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from http import HTTPStatus
from itertools import chain
from math import prod
from typing import Any

import numpy as np

from scorer import __version__
from scorer.rest.exchange import Asked, Route, Scored
from scorer.rest.messages import Refused, Request, Response, decoded, encoded, wrong
from scorer.rest.pages import health_page
from scorer.rest.site import Site

NAME, OUTPUT = "oip", "score"
_HEADER = "inference-header-content-length"  # of the JSON, if tensors follow it as bytes
_TYPES = {
    "BOOL": "?",
    **{f"UINT{8 * size}": f"<u{size}" for size in (1, 2, 4, 8)},
    **{f"INT{8 * size}": f"<i{size}" for size in (1, 2, 4, 8)},
    **{f"FP{8 * size}": f"<f{size}" for size in (2, 4, 8)},
}
_BYTES = "BYTES"
_DIMENSIONS = 2  # rows and columns


def routes(site: Site) -> Iterator[Route]:
    """Yield the routes of the dialect."""

    def live(_: Request) -> Response:
        return health_page(*site.health.live())

    def ready(_: Request) -> Response:
        return health_page(*site.health.ready())

    def version_ready(request: Request) -> Response:
        served = request.names["version"] in site.versions
        return health_page(served and site.health.ready()[0], {"name": site.model, "ready": served})

    def server(_: Request) -> Response:
        extensions = ["binary_tensor_data", "model_repository"]
        return Response(200, encoded({"name": "scorer", "version": __version__, "extensions": extensions}))

    def index(_: Request) -> Response:
        models = [
            {"name": site.model, "version": version, "state": "READY", "reason": arm}
            for version, arm in site.versions.items()
        ]
        return Response(200, encoded(models))

    model, version = "/v2/models/{model}", "/v2/models/{model}/versions/{version}"
    metadata = partial(_metadata, site)
    yield Route("GET", "/v2", NAME, "The server's name and version", page=server)
    yield Route("GET", "/v2/health/live", NAME, "As /live", page=live, open=True)
    yield Route("GET", "/v2/health/ready", NAME, "As /ready", page=ready, open=True)
    yield Route("GET", f"{model}/ready", NAME, "As /ready", page=ready, open=True)
    yield Route("GET", f"{version}/ready", NAME, "Whether the version is served", page=version_ready, open=True)
    yield Route("GET", model, NAME, "The versions, inputs and outputs of the model", page=metadata)
    yield Route("GET", version, NAME, "The inputs and outputs of a version", page=metadata)
    yield Route("POST", "/v2/repository/index", NAME, "The versions that are served", page=index)
    for path in (model, version):
        yield Route("POST", f"{path}/infer", NAME, "Score rows, given as tensors", read=partial(_read, site))


def _metadata(site: Site, request: Request) -> Response:
    version = request.names.get("version")
    if version is not None and version not in site.versions:
        raise Refused(HTTPStatus.NOT_FOUND, f"version '{version}' is not served; served are {', '.join(site.versions)}")
    outputs = site.lineup().champion.outputs
    document = {
        "name": site.model,
        "versions": list(site.versions),
        "platform": "xgboost",
        "inputs": [{"name": "rows", "datatype": "FP32", "shape": [-1, len(site.columns)]}],
        "outputs": [{"name": OUTPUT, "datatype": "FP32", "shape": [-1, outputs] if outputs > 1 else [-1]}],
    }
    return Response(200, encoded(document))


def _read(site: Site, request: Request) -> Asked:
    text, tensors = _parts(request)
    document = decoded(text)
    if not isinstance(document, dict) or not isinstance(document.get("inputs"), list) or not document["inputs"]:
        raise wrong("inputs", document.get("inputs") if isinstance(document, dict) else document, "a list of tensors")
    for number, output in enumerate(document.get("outputs") or ()):
        if not isinstance(output, dict) or output.get("name") != OUTPUT:
            raise wrong(f"outputs[{number}].name", output, f'the only output of the model, "{OUTPUT}"')
    inputs = [_Tensor.read(each, f"inputs[{number}]", tensors) for number, each in enumerate(document["inputs"])]
    write = partial(_write, document.get("id"))
    return Asked(_rows(inputs, site), write, request.names.get("version"))


def _write(identifier: object, scored: Scored) -> Response:
    scores = scored.scores
    several = bool(scores) and isinstance(scores[0], list)
    output = {
        "name": OUTPUT,
        "shape": [len(scores), len(scores[0])] if several else [len(scores)],
        "datatype": "FP32",
        "data": list(chain.from_iterable(scores)) if several else scores,
    }
    document = {"model_name": scored.model, "model_version": scored.version, "outputs": [output]}
    return Response(200, encoded(document if identifier is None else document | {"id": identifier}))


def _rows(inputs: Sequence["_Tensor"], site: Site) -> list[Any]:
    """Return the rows of one tensor of the model's columns, or of a tensor for each name."""
    first = inputs[0]
    if len(inputs) == 1 and len(first.shape) == _DIMENSIONS and (first.shape[1] != 1 or first.name not in site.names):
        width = first.shape[1]
        return [first.values[at : at + width] for at in range(0, len(first.values), width)] if width else []
    for number, each in enumerate(inputs):
        if each.shape not in {(len(first.values),), (len(first.values), 1)}:
            expected = (
                f"[{first.shape[0] if first.shape else 0}] or [.., 1], as all inputs with a name of one value a row"
            )
            raise wrong(f"inputs[{number}].shape", list(each.shape), expected)
    names = [each.name for each in inputs]
    return [dict(zip(names, row, strict=True)) for row in zip(*(each.values for each in inputs), strict=True)]


def _parts(request: Request) -> tuple[bytes, "_Bytes"]:
    """Return the JSON of a body, and the bytes of tensors behind it."""
    declared = request.headers.get(_HEADER)
    if declared is None:
        return request.body, _Bytes(b"")
    if not declared.isdecimal() or int(declared[:18]) > len(request.body):
        raise wrong(_HEADER, declared, f"a number of bytes up to the {len(request.body)} of the body")
    size = int(declared)
    return request.body[:size], _Bytes(request.body[size:])


class _Bytes:
    """The bytes of tensors, in the order of the inputs."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, size: object, where: str) -> bytes:
        left = len(self._data) - self._at
        if not isinstance(size, int) or not 0 <= size <= left:
            raise wrong(f"{where}.parameters.binary_data_size", size, f"a number up to the {left} bytes that are left")
        self._at += size
        return self._data[self._at - size : self._at]


class _Tensor:
    """A tensor with its values in row-major order."""

    def __init__(self, name: str, shape: tuple[int, ...], values: list[Any]) -> None:
        self.name, self.shape, self.values = name, shape, values

    @classmethod
    def read(cls, given: object, where: str, tensors: _Bytes) -> "_Tensor":
        """Read a tensor.

        Raises:
            Refused: it has another form.
        """
        if not isinstance(given, Mapping):
            raise wrong(where, given, "an object with name, shape, datatype and data")
        name, shape, datatype = given.get("name"), given.get("shape"), given.get("datatype")
        if not isinstance(name, str):
            raise wrong(f"{where}.name", name, "text")
        if not isinstance(shape, list) or not shape or not all(type(size) is int and size >= 0 for size in shape):
            raise wrong(f"{where}.shape", shape, "a list of sizes")
        if datatype not in _TYPES and datatype != _BYTES:
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
