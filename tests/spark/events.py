"""Events of every kind of field, as Spark has them."""

from typing import Any

import pyarrow as pa

from tests.api.example import ARROW, ODD, row

EVENTS = [
    *ODD,
    *(row(id=f"f{number}", serial=3 ** (number % 25), amount=10 ** (number / 260)) for number in range(3_000)),
]
_OF_SPARK = {pa.time32("ms"): pa.time64("ns"), pa.timestamp("ms", "UTC"): pa.timestamp("us", "UTC")}


def table(events: list[dict[str, Any]] = EVENTS) -> pa.Table:
    """Return events with the types that Spark knows."""
    known = pa.Table.from_pylist(events, ARROW)
    texts = pa.string()
    return known.cast(
        pa.schema(
            [
                field.with_type(texts if pa.types.is_dictionary(field.type) else _OF_SPARK.get(field.type, field.type))
                for field in known.schema
            ]
        )
    )
