"""Limits on the size of replies, and the error for bytes that are not a reply."""

from scorer.security.redaction import foreign

LONGEST_LINE = 1 << 16  # bytes of an error, a number or a size; Redis sends at most a few hundred
VALUE_ROOM = 128  # bytes for a number as text, including its framing in the protocol
SLACK = 1 << 24  # further bytes for all replies to one request, for values that are not numbers
SHOWN = 60  # characters of a malformed reply that are shown


class Malformed(ValueError):
    """The bytes received are not a reply of the protocol."""

    @classmethod
    def with_bytes(cls, data: bytes) -> "Malformed":
        """Return the error with the first bytes received, without secrets, since the bytes may echo our own."""
        return cls(f"'{foreign(data.decode(errors='replace'))[:SHOWN]}'")
