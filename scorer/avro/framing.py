"""What stands before an Avro body."""

from collections.abc import Callable, Mapping

from scorer.avro.schema import Schema

_HEADERS: Mapping[str, Callable[[Schema], bytes]] = {
    "none": lambda _: b"",
    "single-object": lambda schema: b"\xc3\x01" + schema.fingerprint,  # the specification's single-object encoding
}


def header(schema: Schema, framing: str) -> bytes:
    """Return the bytes that a framing puts before every body of a schema."""
    return _HEADERS[framing](schema)


def frame(body: bytes, schema: Schema, framing: str) -> bytes:
    """Return a record's value: a body in a framing, `none` or `single-object`."""
    return header(schema, framing) + body
