"""How much a server may answer, and what is said of an answer that is none."""

from scorer.redaction import foreign

LONGEST_LINE = 1 << 16  # bytes of an error, a number or a size; Redis sends some hundred at most
VALUE_ROOM = 128  # bytes that a number as text may take, with what the protocol puts around it
SLACK = 1 << 24  # bytes of all replies to one request above that, for values that are no numbers
SHOWN = 60  # characters of what is no reply


class Malformed(ValueError):
    """What arrived is not the reply that the protocol asks for."""

    @classmethod
    def with_bytes(cls, data: bytes) -> "Malformed":
        """Return it with the first of what arrived, of which nothing may be a secret: it may be an echo."""
        return cls(f"'{foreign(data.decode(errors='replace'))[:SHOWN]}'")
