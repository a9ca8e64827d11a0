"""Converts single framed values to plain JSON of the reader's schema, whatever their writer's schema."""

from typing import Any

from scorer.avro.decode.splitting import Block
from scorer.avro.evolution.resolution import Resolution
from scorer.avro.evolution.skipping import Broken
from scorer.avro.framing import Framing
from scorer.avro.json.jsonl import BadEvent, Converter
from scorer.avro.schema.schema import Schema
from scorer.avro.types.likeness import Unresolvable
from scorer.batch import Records

_WHERE = "the value"


class Reread:
    """Converts values to JSON, for people to read.

    Args:
        schema: the reader's schema.
        framing: finds the bodies, and the schemas they were written with.
    """

    def __init__(self, schema: Schema, framing: Framing) -> None:
        self._converter, self._record, self._framing = Converter(schema), schema.record, framing
        self._resolutions: dict[int, Resolution] = {}

    def to_json(self, value: bytes, original: object = None) -> dict[str, Any]:
        """Return a value as plain JSON.

        Args:
            value: the value of the record.
            original: the record itself, for a framing that reads its headers.

        Raises:
            BadEvent: the value is not an event of the schema, or cannot be resolved to one.
            Unavailable: its writer's schema is not known yet, and the registry does not answer.
        """
        if not value:
            raise BadEvent(_WHERE, "null or no bytes", "")
        bodies = self._framing.split(Records.of([value], originals=[original]))
        start, writer = int(bodies.starts[0]), int(bodies.writers[0])
        if start < 0:
            fault = bodies.notes.get(0, "its framing or its schema is not that of the configuration")
            raise BadEvent(_WHERE, fault, "")
        body = value[start:]
        return self._converter.to_json(self._resolved(body, writer) if writer else body)

    def _resolved(self, body: bytes, writer: int) -> bytes:
        try:
            if writer not in self._resolutions:
                self._resolutions[writer] = Resolution(self._framing.writers[writer].kind, self._record)
            (resolved,) = self._resolutions[writer].split(Block(_WHERE, 1, len(body), body))
        except (Unresolvable, Broken) as error:
            raise BadEvent(_WHERE, f"{self._framing.writers[writer].name}: {error}", "") from None
        return resolved
