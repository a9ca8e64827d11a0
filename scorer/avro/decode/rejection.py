"""Describes failures of the kernel: what was found, at which field and byte, and what was expected."""

from scorer.avro.program.program import MOST_CALLS
from scorer.avro.program.reading import Fault
from scorer.avro.types.grammar import Scalar, Type, Union
from scorer.avro.values.binary import unpack_long
from scorer.batch import Reason

FRAMING_FAULTS = frozenset({Fault.BAD_FRAMING, Fault.UNKNOWN_SCHEMA})
VALUE_FAULTS = frozenset({Fault.EMPTY, Fault.TOO_LARGE, Fault.TRAILING})
_REASONS = {
    Fault.TRUNCATED: Reason.TRUNCATED,
    Fault.TRAILING: Reason.TRAILING_BYTES,
    Fault.EMPTY: Reason.EMPTY,
    Fault.TOO_LARGE: Reason.TOO_LARGE,
    Fault.BAD_FRAMING: Reason.BAD_FRAMING,
    Fault.UNKNOWN_SCHEMA: Reason.UNKNOWN_SCHEMA,
    Fault.UNRESOLVED: Reason.UNKNOWN_SCHEMA,
}


def reason_of(fault: Fault) -> Reason:
    """Return the reason code of a fault."""
    return _REASONS.get(fault, Reason.BAD_VALUE)


def explain_value(fault: Fault, value: bytes, at: int, max_bytes: int) -> str:
    """Describe what is wrong with a value as a whole."""
    match fault:
        case Fault.EMPTY:
            return "the value is null or has no bytes; expected an event"
        case Fault.TOO_LARGE:
            return f"the value has {len(value)} bytes; expected at most {max_bytes}"
        case _:
            more = len(value) - at
            follow = "byte follows" if more == 1 else "bytes follow"
            return f"the event ends at byte {at}, and {more} more {follow}; expected none"


def explain_field(fault: Fault, path: str, kind: Type, value: bytes, at: int) -> str:
    """Describe why the bytes from `at` on are not a value of this type, for the field at a path."""
    return f"{path}: {_explain(fault, kind, value, at)}"


def _explain(fault: Fault, kind: Type, value: bytes, at: int) -> str:  # noqa: C901, PLR0911, PLR0912  one a fault
    number, after = unpack_long(value, at)
    match fault:
        case Fault.TRUNCATED:
            return f"{_words(kind)} begins at byte {at}, and the value ends at byte {len(value)}; expected more bytes"
        case Fault.LONG_VARINT:
            return f"a number of more than 64 bits at byte {at}; expected {_words(kind)}"
        case Fault.WIDE_INT:
            return f"{number} at byte {at}; expected an int, {-(2**31)} to {2**31 - 1}"
        case Fault.NOT_BOOLEAN:
            return f"{value[at]} at byte {at}; expected a boolean, 0 or 1"
        case Fault.BAD_SYMBOL:
            return f"symbol {number} at byte {at}; expected {_words(kind)}, numbered from 0"
        case Fault.BAD_BRANCH:
            branches = len(kind.branches) if isinstance(kind, Union) else 2
            return f"branch {number} at byte {at}; expected a union of {branches} branches, numbered from 0"
        case Fault.NEGATIVE_LENGTH:
            return f"a negative length at byte {at}; expected {_words(kind)}"
        case Fault.BAD_COUNT:
            left = len(value) - after
            return f"a block of {abs(number)} items at byte {at}, where {left} bytes are left; expected at most {left}"
        case Fault.BAD_SIZE:
            return f"the items of a block end at byte {at}; expected them to end where the block's size says"
        case Fault.BAD_UTF8:
            return f"a string at byte {at} is not UTF-8; expected text"
        case Fault.STRANGE_SYMBOL:
            symbol = kind.symbols[number] if isinstance(kind, Scalar) else ""
            return f"the symbol {symbol!a} at byte {at}; expected a symbol of the reader's schema, or a default in it"
        case Fault.TOO_DEEP:
            return f"values inside each other at byte {at}, more than {MOST_CALLS} deep; expected at most that"
        case Fault.EMPTY_DECIMAL:
            return f"a decimal at byte {at} has no bytes; expected at least one"
        case _:
            digits = kind.precision if isinstance(kind, Scalar) else 0
            return f"a decimal at byte {at} has more than {digits} digits; expected at most its precision"


def _words(kind: Type) -> str:
    match kind:
        case Scalar(base="enum"):
            return f"an enum of {len(kind.symbols)} symbols"
        case Scalar(base="fixed"):
            return f"a fixed of {kind.size} bytes"
        case Scalar(base="bytes"):
            return "bytes"
        case Scalar():
            return f"{'an' if kind.base == 'int' else 'a'} {kind.base}"
        case _:
            name = type(kind).__name__.lower()
            return f"{'an' if name == 'array' else 'a'} {name}"
