"""Events of another schema, resolved as Avro does; fastavro does it, but for what is told at its places."""

import io
from typing import Any

from fastavro import parse_schema, schemaless_reader, schemaless_writer
from fastavro.schema import to_parsing_canonical_form

from scorer.avro.grammar import ABSENT, Array, Map, Record, Scalar, Type, Union, without_null
from scorer.avro.schema import Schema

_DROPPED = frozenset({"logicalType", "__fastavro_parsed", "__named_schemas"})


class Resolution:
    """Reads events that were written by one schema as bodies of another.

    Args:
        written: the schema of the events, as fastavro reads it.
        schema: of the bodies.
    """

    def __init__(self, written: Any, schema: Schema) -> None:  # noqa: ANN401  JSON
        self._written, self._wanted = parse_schema(_bare(written)), parse_schema(_bare(schema.parsed))
        self._same = to_parsing_canonical_form(self._written) == to_parsing_canonical_form(self._wanted)
        self._named = _has_choice(schema.record)  # where there is none, fastavro stumbles over names
        _set_defaults(self._wanted, schema.record)

    def read(self, events: io.BytesIO) -> bytes:
        """Read the next event.

        Raises:
            Exception: whatever fastavro raises where the bytes are wrong, or the schemas do not fit.
        """
        begin = events.tell()
        wanted = None if self._same else self._wanted
        event = schemaless_reader(events, self._written, wanted, return_named_type=self._named)
        if self._same:
            return events.getvalue()[begin : events.tell()]
        out = io.BytesIO()
        schemaless_writer(out, self._wanted, event)
        return out.getvalue()


def _bare(declared: Any) -> Any:  # noqa: ANN401  JSON
    """Return a schema without logical types, whose conversions lose what Python's types cannot hold."""
    match declared:
        case dict():
            return {key: _bare(value) for key, value in declared.items() if key not in _DROPPED}
        case list():
            return [_bare(branch) for branch in declared]
        case _:
            return declared


def _has_choice(kind: Type) -> bool:
    """Whether a value may be of several types, so that its type has to be named."""
    kind, _ = without_null(kind)
    match kind:
        case Union():
            return True
        case Record(members=members):
            return any(_has_choice(member.type) for member in members)
        case Array(items=inner) | Map(values=inner):
            return _has_choice(inner)
        case _:
            return False


def _set_defaults(declared: Any, kind: Type) -> None:  # noqa: ANN401  JSON
    """Put defaults as values into a schema: fastavro takes bytes for the text that they are in JSON."""
    match declared, kind:
        case {"fields": fields}, Record(members=members):
            for field, member in zip(fields, members, strict=True):
                if member.default is not ABSENT:
                    field["default"] = _value(member.type, member.default)
                _set_defaults(field["type"], member.type)
        case ({"items": inner}, Array(items=within)) | ({"values": inner}, Map(values=within)):
            _set_defaults(inner, within)
        case list(), Union(branches=branches):
            for branch, within in zip(declared, branches, strict=True):
                _set_defaults(branch, within)


def _value(kind: Type, default: Any) -> Any:  # noqa: ANN401  JSON
    match kind, default:
        case Scalar(base="bytes" | "fixed"), str():
            return default.encode("latin-1")
        case Record(members=members), dict():
            inner = {member.name: default.get(member.name, member.default) for member in members}
            return {member.name: _value(member.type, inner[member.name]) for member in members}
        case Array(items=within), list():
            return [_value(within, item) for item in default]
        case Map(values=within), dict():
            return {key: _value(within, value) for key, value in default.items()}
        case Union(branches=branches), _:
            return _value(branches[0], default)
        case _:
            return default
