"""The fields of labels and events that are needed, and what is wrong with them."""

from collections.abc import Sequence

from scorer.avro import Schema
from scorer.batch import Kind
from scorer.errors import Misconfigured, Problem
from scorer.settings import LabelSettings

NUMBERS = frozenset({Kind.INTEGER, Kind.FLOAT, Kind.BOOLEAN, Kind.ENUM, Kind.DECIMAL})
TEXTS = frozenset({Kind.TEXT, Kind.ENUM, Kind.INTEGER, Kind.BOOLEAN})


def require_segments(schema: Schema, fields: Sequence[str]) -> None:
    """Make sure that fields of an event have a text.

    Raises:
        Misconfigured: with every field that has none.
    """
    problems = [
        Problem("labels.segments", why, "expected fields of the event or of the label with a text or a number")
        for field in fields
        if (why := schema.why_not(field) or _no_text(schema, field))
    ]
    if problems:
        raise Misconfigured(problems)


def require_label_fields(settings: LabelSettings, schema: Schema, segments: Sequence[str]) -> None:
    """Make sure that a label has the fields of the settings, and that they can be used.

    Args:
        settings: name the fields.
        schema: the schema of a label.
        segments: those that are fields of the label.

    Raises:
        Misconfigured: with every field that is missing or cannot be used.
    """
    problems = []
    for key, path, kinds, right in (
        ("labels.id", settings.id, TEXTS, "a string, uuid, enum, integer or boolean"),
        ("labels.label", settings.label, NUMBERS, "a number, a boolean or an enum"),
        ("labels.time", settings.time, {Kind.TIMESTAMP}, "a field of logical type timestamp-millis or -micros"),
    ):
        if path is None:
            continue
        if why := schema.why_not(path):
            problems.append(Problem(key, why, f"expected {right}"))
        elif schema.fields[path].kind not in kinds:
            kind = schema.fields[path].kind.name.lower()
            problems.append(Problem(key, f"'{path}' is of kind {kind}", f"expected {right}"))
    problems += [Problem("labels.segments", why) for path in segments if (why := _no_text(schema, path))]
    if problems:
        raise Misconfigured(problems)


def _no_text(schema: Schema, path: str) -> str:
    kind = schema.fields[path].kind
    return "" if kind in TEXTS else f"'{path}' is of kind {kind.name.lower()}"
