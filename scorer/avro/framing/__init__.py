"""Framings: each finds the Avro body in a value, and its writer's schema. A new framing is a new file here."""

from scorer.avro.framing.confluent import SCHEMA_HEADER, Confluent, Writers, read_written
from scorer.avro.framing.interface import Bodies, Framing, Written
from scorer.avro.framing.prefix import Prefix, prefixed, single_object, unframed

__all__ = [
    "SCHEMA_HEADER",
    "Bodies",
    "Confluent",
    "Framing",
    "Prefix",
    "Writers",
    "Written",
    "prefixed",
    "read_written",
    "single_object",
    "unframed",
]
