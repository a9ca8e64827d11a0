"""Batches made by hand, and what becomes of them."""

import io
import json
from typing import Any

import fastavro
import numpy as np

from scorer.avro import Decoder, Framing, Schema, Wanted, single_object, unframed
from scorer.batch import Events, Reason, Records


def declared(*types: Any, **named: Any) -> dict[str, Any]:
    """A record with the fields f0, f1, ... of some types, then the named ones."""
    fields = {f"f{number}": kind for number, kind in enumerate(types)} | named
    return {"type": "record", "name": "Event", "fields": [{"name": k, "type": v} for k, v in fields.items()]}


def schema_of(*types: Any, **named: Any) -> Schema:
    """The same, read."""
    return Schema.parse(json.dumps(declared(*types, **named)), "event.avsc")


def varint(number: int) -> bytes:
    """An int64 as Avro writes it."""
    out = io.BytesIO()
    fastavro.schemaless_writer(out, "long", number)
    return out.getvalue()


FRAMINGS = {"none": unframed, "single-object": single_object}


def framing_of(name: str, schema: Schema) -> Framing:
    """The framing of a name."""
    return FRAMINGS[name](schema)


def frame(body: bytes, schema: Schema, name: str) -> bytes:
    """A body in a framing."""
    return framing_of(name, schema).header + body


def records(bodies: list[bytes], topics: tuple[str, ...] = ("flights",)) -> Records:
    """A batch of one partition."""
    rows = len(bodies)
    return Records(
        topics=topics,
        topic=np.arange(rows, dtype=np.int32) % len(topics),
        partition=np.full(rows, 7, np.int32),
        offset=np.arange(rows) + 10**12,
        timestamp=np.arange(rows) + 1_357_000_000_000,
        keys=[None] * rows,
        data=np.frombuffer(b"".join(bodies), np.uint8),
        ends=np.cumsum([len(body) for body in bodies], dtype=np.int64),
    )


def decode(schema: Schema, *values: bytes, used: tuple[str, ...] = (), **settings: Any) -> Events:
    framing, max_bytes = framing_of(settings.pop("framing", "none"), schema), settings.pop("max_bytes", 1000)
    return Decoder(Wanted(schema, used, **settings), framing, max_bytes).decode(records(list(values)))


def only(events: Events) -> tuple[Reason, str]:
    """Why the only row that was rejected was."""
    (rejected,) = events.rejected
    return rejected.reason, rejected.detail
