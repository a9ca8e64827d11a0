"""Every way in which fastavro may judge a value otherwise than the decoder does, and why the decoder is right."""

from typing import Any

from scorer.avro.program.program import MOST_CALLS
from scorer.avro.program.reading import Fault

_DECIMAL = "fastavro is given the schema without logical types, to which a decimal is bytes"
STRICTER = {
    Fault.LONG_VARINT: "fastavro reads a number of any length, and drops the bits beyond 64",
    Fault.WIDE_INT: "fastavro reads an int as a long; by the specification it has 32 bits",
    Fault.NOT_BOOLEAN: "fastavro takes any byte but 0 for true; by the specification it is 0 or 1",
    Fault.BAD_SYMBOL: "fastavro counts a negative index from the end, and takes any that it passes over",
    Fault.BAD_BRANCH: "fastavro counts a negative index from the end, as lists of Python do",
    Fault.BAD_SIZE: "fastavro does not compare the size of a block with its items",
    Fault.TOO_DEEP: f"fastavro's only limit is Python's; the decoder's is {MOST_CALLS} values inside each other",
    Fault.EMPTY_DECIMAL: _DECIMAL,
    Fault.LONG_DECIMAL: f"{_DECIMAL} of any length",
}
# Faults of lengths, by whether fastavro finds them once it has to read all that it passes over otherwise.
PASSED_OVER = "fastavro does not measure what it passes over since the reader does not need it"
BLOCK = "fastavro does not compare the count and the size of a block with the bytes that are left"
LENGTHS = (Fault.TRUNCATED, Fault.NEGATIVE_LENGTH, Fault.BAD_COUNT)
ROUNDED = "a long as a float"
_ROUNDED = (
    "fastavro rounds it to a double, which is rounded again; the decoder rounds once, to the nearest, as Java does"
)
UNUSED_TEXT = "text that is passed over is not UTF-8"
_UNUSED_TEXT = "the only case in which the decoder is laxer: nobody reads that text, so it is not looked at"


def known(fault: Fault | None, theirs: Any, whole: Any) -> str:
    """Return the name of a disagreement; empty if it has no explanation.

    Args:
        fault: the decoder's; None if it accepts the value.
        theirs: what fastavro resolves, or its error.
        whole: the same, where it has to read all of the value.
    """
    if fault is None:
        return UNUSED_TEXT if isinstance(theirs, UnicodeDecodeError) else ""
    if fault in LENGTHS:
        return f"{_word(fault)}, {'passed over' if isinstance(whole, Exception) else 'in a block'}"
    return _word(fault) if fault in STRICTER else ""


def explanations() -> dict[str, str]:
    """Return the reason of each disagreement, by its name."""
    lengths = {f"{_word(fault)}, passed over": PASSED_OVER for fault in LENGTHS}
    blocks = {f"{_word(fault)}, in a block": BLOCK for fault in LENGTHS}
    others = {ROUNDED: _ROUNDED, UNUSED_TEXT: _UNUSED_TEXT}
    return {_word(fault): why for fault, why in STRICTER.items()} | lengths | blocks | others


def _word(fault: Fault) -> str:
    return fault.name.lower().replace("_", " ")
