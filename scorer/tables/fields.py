"""One field of the events in an Arrow column: the values that its type can hold, as the numbers or bytes of Avro.

Arrow types that hold nothing but valid values are converted at once. Of the others, values that may not fit are
converted one by one, as plain JSON or Python objects are, with the same rules and the same words.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from scorer.avro.program.machine import Line
from scorer.avro.types.grammar import Scalar
from scorer.avro.values.binary import pack
from scorer.avro.values.plain import Misfit, expected, from_json
from scorer.avro.values.showing import shown
from scorer.batch import Field, Kind

_UNITS = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_INT32, _INT64 = np.iinfo(np.int32), np.iinfo(np.int64)
_MOST = float(np.finfo(np.float32).max)


class Numbers(NamedTuple):
    """Numbers of an Arrow array."""

    values: NDArray[np.int64] | NDArray[np.float64]  # [rows]; arbitrary where the array is null or doubtful
    doubtful: NDArray[np.bool_] | None = None  # [rows]: values to be converted one by one; None if there are none


Fast = Callable[[pa.Array], Numbers]


def fast_way(scalar: Scalar, field: Field, found: pa.DataType) -> Fast | None:  # noqa: PLR0911  one a kind
    """Return how to convert an Arrow array of a type at once; None if its values are to be converted one by one."""
    match field.kind:
        case Kind.INTEGER if pa.types.is_integer(found):
            return _integers(_INT32 if scalar.base == "int" else _INT64, found)
        case Kind.INTEGER if pa.types.is_floating(found):  # as pandas has integers beside nulls
            return _whole(_INT32 if scalar.base == "int" else _INT64)
        case Kind.FLOAT if scalar.base != "null" and _is_number(found):
            return _singles if scalar.base == "float" else _doubles
        case Kind.BOOLEAN if pa.types.is_boolean(found):
            return lambda array: Numbers(_numpy(array.cast(pa.int8())).astype(np.int64))
        case Kind.ENUM if is_text(found):
            return _symbols(scalar)
        case Kind.DATE if pa.types.is_date(found):
            return lambda array: Numbers(_numpy(array.cast(pa.date32()).cast(pa.int32())).astype(np.int64))
        case Kind.TIME if pa.types.is_time(found):
            return _ticks(found, field.ticks, pa.int32() if pa.types.is_time32(found) else pa.int64())
        case Kind.TIMESTAMP if pa.types.is_timestamp(found):
            return _ticks(found, field.ticks, pa.int64())
    return None


def unfit(field: Field, found: pa.DataType) -> str:
    """Return the types that can hold values of a field; empty if this type is one of them."""
    words, tests = _HELD_BY[field.kind]
    return "" if pa.types.is_null(found) or any(test(found) for test in tests) else f"expected {words}"


def one_by_one(scalar: Scalar, value: object) -> int | float | bytes:
    """Return the number of a value, or the bytes of one that is no number.

    Raises:
        ValueError: it does not fit; the text says what was found, and what was expected.
    """
    try:
        raw = from_json(scalar, value)
        pack(scalar, raw)  # a number may be too large for a float
    except Misfit:
        raise ValueError(f"{shown(value)}; expected {expected(scalar)}") from None
    if isinstance(raw, str):
        return raw.encode()
    if isinstance(raw, bytes):
        return raw
    return float(np.float32(raw)) if scalar.base == "float" and raw is not None else raw or 0


def write_texts(array: pa.Array, line: Line, base: int) -> NDArray[np.uint8]:
    """Point the rows of a line at the texts of an array.

    Args:
        array: an array of texts.
        line: its starts and ends are written.
        base: where the texts will stand.

    Returns:
        The texts, uint8 [bytes].
    """
    texts = array.cast(pa.large_string())
    _, offsets, data = texts.buffers()
    ends = np.frombuffer(offsets, np.int64, len(texts) + 1, texts.offset * 8)
    line.starts[:], line.ends[:] = ends[:-1] + (base - ends[0]), ends[1:] + (base - ends[0])
    return np.frombuffer(data or b"", np.uint8)[ends[0] : ends[-1]]


def is_text(found: pa.DataType) -> bool:
    """Whether a type holds text."""
    inner = found.value_type if pa.types.is_dictionary(found) else found
    return bool(pa.types.is_string(inner) or pa.types.is_large_string(inner) or pa.types.is_string_view(inner))


# The Arrow types that hold values of each kind.
_HELD_BY: dict[Kind, tuple[str, tuple[Callable[[pa.DataType], bool], ...]]] = {
    Kind.INTEGER: ("integers", (pa.types.is_integer, pa.types.is_floating)),
    Kind.FLOAT: ("numbers", (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)),
    Kind.BOOLEAN: ("booleans", (pa.types.is_boolean,)),
    Kind.TEXT: ("text", (is_text,)),
    Kind.ENUM: ("text", (is_text,)),
    Kind.DATE: ("dates, their text, or numbers of days", (pa.types.is_date, is_text, pa.types.is_integer)),
    Kind.TIME: ("times, their text, or numbers of ticks", (pa.types.is_time, is_text, pa.types.is_integer)),
    Kind.TIMESTAMP: (
        "timestamps, their text, or numbers of ticks",
        (pa.types.is_timestamp, is_text, pa.types.is_integer),
    ),
    Kind.DECIMAL: (
        "decimals, their text, or numbers",
        (pa.types.is_decimal, is_text, pa.types.is_integer, pa.types.is_floating),
    ),
    Kind.BYTES: ("bytes", (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary)),
}


def _is_number(found: pa.DataType) -> bool:
    return bool(pa.types.is_integer(found) or pa.types.is_floating(found))


def _numpy(array: pa.Array) -> NDArray[Any]:
    """Return the values of an array of numbers, without a copy; arbitrary where it is null."""
    values: NDArray[Any] = np.frombuffer(array.buffers()[1] or b"", array.type.to_pandas_dtype())
    return values[array.offset : array.offset + len(array)]


def _integers(limits: np.iinfo, found: pa.DataType) -> Fast:
    held = np.iinfo(found.to_pandas_dtype())
    if limits.min <= held.min and held.max <= limits.max:
        return lambda array: Numbers(_numpy(array).astype(np.int64))

    def convert(array: pa.Array) -> Numbers:
        values = _numpy(array)
        return Numbers(values.astype(np.int64), values.clip(limits.min if held.min else 0, limits.max) != values)

    return convert


def _whole(limits: np.iinfo) -> Fast:
    def convert(array: pa.Array) -> Numbers:
        values = _numpy(array).astype(np.float64)
        fits = (values == np.floor(values)) & (values >= float(limits.min)) & (values < -float(limits.min))
        return Numbers(np.where(fits, values, 0).astype(np.int64), ~fits)

    return convert


def _doubles(array: pa.Array) -> Numbers:
    return Numbers(_numpy(array).astype(np.float64))


def _singles(array: pa.Array) -> Numbers:
    values = _numpy(array).astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):  # where it is null there may be anything
        singles = values.astype(np.float32).astype(np.float64)
    return Numbers(singles, np.isinf(singles) & ~np.isinf(values))


def _symbols(scalar: Scalar) -> Fast:
    indexes = {symbol: index for index, symbol in enumerate(scalar.symbols)}

    def convert(array: pa.Array) -> Numbers:
        coded = array if pa.types.is_dictionary(array.type) else pc.dictionary_encode(array)
        known = np.array([*(indexes.get(text, -1) for text in coded.dictionary.to_pylist()), -1], np.int64)
        values = known[_numpy(coded.indices.fill_null(0)).astype(np.int64)]
        return Numbers(values, values < 0)

    return convert


def _ticks(found: pa.DataType, ticks: int, number: pa.DataType) -> Fast:
    per_second = _UNITS[found.unit]

    def convert(array: pa.Array) -> Numbers:
        values = _numpy(array.cast(number)).astype(np.int64)
        if per_second >= ticks:  # fractions of a tick are cut off, as in text
            return Numbers(values // (per_second // ticks))
        factor = ticks // per_second
        return Numbers(values * factor, np.abs(values) > _INT64.max // factor)

    return convert
