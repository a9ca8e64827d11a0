"""A schema in a registry."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Registered:
    """The text of a schema, with those that it refers to.

    text:       the schema.
    id:         its number in the registry.
    subject:    the subject by which it was requested; empty if it was requested by its id.
    version:    its version under the subject; 0 if unknown.
    kind:       AVRO, JSON or PROTOBUF.
    references: the texts of the schemas whose types it uses by name, in an order in which each uses only earlier ones.
    """

    text: str
    id: int
    subject: str = ""
    version: int = 0
    kind: str = "AVRO"
    references: tuple[str, ...] = ()
