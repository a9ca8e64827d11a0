"""Converts types of Spark to types of Arrow, and back."""

from typing import Any

import pyarrow as pa

_MOMENT = pa.timestamp("us", "UTC")
_PLAIN = {
    "void": pa.null(),
    "boolean": pa.bool_(),
    "byte": pa.int8(),
    "short": pa.int16(),
    "integer": pa.int32(),
    "long": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "string": pa.string(),
    "binary": pa.binary(),
    "date": pa.date32(),
    "timestamp": _MOMENT,
    "timestamp_ntz": pa.timestamp("us"),
}
_NAMES = {
    pa.bool_(): "boolean",
    pa.int32(): "int",
    pa.int64(): "bigint",
    pa.float64(): "double",
    pa.string(): "string",
    pa.binary(): "binary",
    _MOMENT: "timestamp",
}


def arrow_type(found: dict[str, Any] | str) -> pa.DataType:
    """Return the Arrow type of a type of Spark.

    Args:
        found: the type in Spark's JSON. A type that no field of an event accepts becomes an interval.
    """
    if isinstance(found, str):
        return _plain(found)
    match found:
        case {"type": "struct", "fields": fields}:
            return pa.struct([pa.field(each["name"], arrow_type(each["type"])) for each in fields])
        case {"type": "array", "elementType": inner}:
            return pa.list_(arrow_type(inner))
    return pa.month_day_nano_interval()


def _plain(name: str) -> pa.DataType:
    kind, _, rest = name.partition("(")
    if kind == "decimal":
        precision, scale = rest.removesuffix(")").split(",")
        return pa.decimal128(int(precision), int(scale))
    if kind in {"string", "char", "varchar"} or name.startswith("string "):  # with a length or a collation
        return pa.string()
    return pa.time64("ns") if kind == "time" else _PLAIN.get(name, pa.month_day_nano_interval())


def spark_type(found: pa.DataType) -> str:
    """Return an Arrow type as Spark's SQL has it."""
    if pa.types.is_list(found):
        return f"array<{spark_type(found.value_type)}>"
    if pa.types.is_struct(found):
        return f"struct<{', '.join(f'{each.name}: {spark_type(each.type)}' for each in found)}>"
    return _NAMES[found]
