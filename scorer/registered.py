"""A schema as a registry holds it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Registered:
    """The text of a schema, with those that it refers to.

    text:       the schema.
    id:         its number in the registry.
    subject:    the name that it was asked for by, empty where it was asked for by its number.
    version:    under the subject, 0 where that is not known.
    kind:       AVRO, JSON or PROTOBUF.
    references: the texts of the schemas whose types it uses by name, each behind those that it uses itself.
    """

    text: str
    id: int
    subject: str = ""
    version: int = 0
    kind: str = "AVRO"
    references: tuple[str, ...] = ()
