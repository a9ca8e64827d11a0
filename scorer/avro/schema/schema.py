"""The schema of an event: which fields can be addressed, and why the others cannot."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scorer.avro.schema.canonical import canonical_form, fingerprint
from scorer.avro.schema.reader import read_schema
from scorer.avro.types.grammar import Array, Map, Record, Scalar, Type, Union, without_null
from scorer.avro.types.likeness import words
from scorer.batch import Field, Kind
from scorer.documents.files import read_text
from scorer.errors import Misconfigured, Problem, did_you_mean

_KINDS = {
    "null": Kind.FLOAT,  # a field that is always null can be used as a number
    "boolean": Kind.BOOLEAN,
    "int": Kind.INTEGER,
    "long": Kind.INTEGER,
    "float": Kind.FLOAT,
    "double": Kind.FLOAT,
    "bytes": Kind.BYTES,
    "fixed": Kind.BYTES,
    "string": Kind.TEXT,
    "enum": Kind.ENUM,
    "uuid": Kind.TEXT,
    "decimal": Kind.DECIMAL,
    "date": Kind.DATE,
    "time": Kind.TIME,
    "timestamp": Kind.TIMESTAMP,
}


@dataclass(frozen=True, slots=True, eq=False)
class Schema:
    """A parsed Avro record schema.

    Attributes:
        record: the record's type.
        fields: every scalar that can be addressed, by dotted path, in the order of the schema.
        scalars: the type of each of those fields, by dotted path.
        others: a description of what is at each other path ("an array"), by dotted path.
        fingerprint: 8 bytes, CRC-64-AVRO of the canonical form, little-endian as in single-object framing.
        concerns: warnings about things that are allowed but hardly intended, such as a logical type without effect.
    """

    record: Record
    fields: Mapping[str, Field]
    scalars: Mapping[str, Scalar]
    others: Mapping[str, str]
    fingerprint: bytes
    concerns: tuple[Problem, ...]

    @classmethod
    def load(cls, path: Path) -> "Schema":
        """Read a schema from a file; see `parse`."""
        try:
            text = read_text(path)
        except OSError as error:
            what = f"cannot be read: {error.strerror}"
        except UnicodeDecodeError as error:
            what = f"not UTF-8 at byte {error.start}"
        else:
            return cls.parse(text, str(path))
        raise Misconfigured([Problem(str(path), what, "expected an Avro schema, JSON")])

    @classmethod
    def parse(cls, text: str, where: str, before: Sequence[str] = ()) -> "Schema":
        """Read a schema from its text.

        Args:
            text: the schema, as JSON.
            where: the schema's name in errors.
            before: the texts of schemas whose types it uses by name, in an order in which each uses only earlier ones.

        Raises:
            Misconfigured: the text is not an Avro schema, its top level is not a record, it is recursive, or defaults
                do not fit their types.
        """
        reading = read_schema(text, where, before=before)
        record = reading.kind
        if not isinstance(record, Record):
            what = f"the top level is {words(record)}"
            raise Misconfigured([Problem(where, what, "the schema of an event is a record")])
        places = list(_walk(record, "", nullable=False))
        scalars = {path: kind for path, kind, _ in places if isinstance(kind, Scalar)}
        return cls(
            record,
            {path: _field(path, kind, nullable) for path, kind, nullable in places if isinstance(kind, Scalar)},
            scalars,
            {path: _words(kind) for path, kind, _ in places if path not in scalars},
            fingerprint(canonical_form(record)),
            reading.concerns,
        )

    def why_not(self, path: str) -> str:
        """Return why the value at a path cannot be used; empty if it can."""
        if path in self.fields:
            bare = self.fields[path].kind == Kind.BYTES
            return f"'{path}' is bytes, which cannot be used as a number or text" if bare else ""
        if inside := next((each for each in (*self.fields, *self.others) if each.startswith(f"{path}.")), ""):
            return f"'{path}' is a record; name a field in it, such as '{inside}'"
        outer = path
        while outer:
            if outer in self.others:
                return f"'{outer}' is {self.others[outer]}"
            if outer in self.fields:
                return f"'{outer}' has no fields in it"
            outer = outer.rpartition(".")[0]
        return f"unknown field '{path}'{did_you_mean(path, self.fields)}"


def _walk(kind: Type, path: str, *, nullable: bool) -> Iterator[tuple[str, Type, bool]]:
    """Yield the path of each value inside a type that is not a record, its type, and whether it may be null."""
    kind, may_be_null = without_null(kind)
    nullable |= may_be_null
    if not isinstance(kind, Record) or not kind.members:
        yield path, kind, nullable
        return
    for member in kind.members:
        yield from _walk(member.type, f"{path}.{member.name}".lstrip("."), nullable=nullable)


def _field(path: str, kind: Scalar, nullable: bool) -> Field:  # noqa: FBT001  from _walk
    return Field(path, _KINDS[kind.meaning], nullable, kind.ticks, kind.symbols)


def _words(kind: Type) -> str:
    match kind:
        case Array():
            return "an array, which has no single value"
        case Map():
            return "a map, which has no single value"
        case Union(branches=branches):
            return f"a union of {len(branches)} types; only a union of null and one other type can be used"
        case _:
            return "a record without fields"
