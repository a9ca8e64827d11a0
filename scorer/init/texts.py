"""Which event fields may have the texts in one place of keys, by their types."""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from scorer.avro import Schema
from scorer.batch import Field, Kind
from scorer.plan.keys import Part

_MOST_VALUES = 1_000  # texts of a place that are compared with a type
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,18}")
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
_FORMATS = {
    "%Y%m%d": r"[0-9]{8}",
    "%Y-%m-%d": r"[0-9]{4}-[0-9]{2}-[0-9]{2}",
    "%Y%m%d%H": r"[0-9]{10}",
    "%Y-%m-%dT%H": r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}",
    "%Y-%m": r"[0-9]{4}-[0-9]{2}",
    "%Y%m": r"[0-9]{6}",
}
_YEARS = range(1990, 2100)  # in which digits may be a date


def parts_of_texts(schema: Schema, values: Sequence[str]) -> Iterator[Part]:
    """Yield each part that a key template may have where its keys have these texts."""
    texts = values[:: max(1, len(values) // _MOST_VALUES)]
    for field in schema.fields.values():
        if field.kind in {Kind.DATE, Kind.TIMESTAMP}:
            for layout in _formats(texts):
                if field.kind is Kind.TIMESTAMP or "%H" not in layout:
                    yield Part(field.path, layout)
        elif _fits(schema, field, texts):
            yield Part(field.path)


def _fits(schema: Schema, field: Field, texts: Sequence[str]) -> bool:
    match field.kind:
        case Kind.TEXT:
            return schema.scalars[field.path].logical != "uuid" or all(map(_UUID.fullmatch, texts))
        case Kind.ENUM:
            return set(texts) <= set(field.symbols)
        case Kind.INTEGER:
            return all(map(_INTEGER.fullmatch, texts))
        case Kind.BOOLEAN:
            return set(texts) <= {"true", "false"}
    return False


def _formats(texts: Sequence[str]) -> list[str]:
    return [layout for layout, form in _FORMATS.items() if all(_is_date(text, layout, form) for text in texts)]


def _is_date(text: str, layout: str, form: str) -> bool:
    if not re.fullmatch(form, text):
        return False
    try:
        return datetime.strptime(text, layout).replace(tzinfo=UTC).year in _YEARS
    except ValueError:
        return False
