"""Converts columns of decimals to the nearest float64, in a time proportional to the bytes of each value."""

import math
from typing import Final, NamedTuple

import numpy as np

from scorer.arrays.kernel import Bytes, Flags, Floats, Ints, entry, kernel
from scorer.arrays.spans import Spans
from scorer.avro.program.machine import Line
from scorer.avro.program.reading import Fault
from scorer.avro.types.grammar import Scalar
from scorer.avro.values.decimals import has_more_digits, power_of_ten

SLOW: Final = 1  # the status of a row that the kernel can neither convert exactly nor reject
_DOUBLE_BITS: Final = 53
_EXACT_POWER: Final = 22  # 10**22 is the last power of ten that a float64 holds exactly
_INT64: Final = 8  # bytes
_LONG_DIGITS: Final = 18  # any number with this many digits fits an int64
_BEYOND: Final = 400  # with more digits before the point a float64 is infinite; with more zeros after it, 0


def read_decimals(data: Bytes, line: Line, kind: Scalar) -> dict[int, Fault]:
    """Read a column of decimals, each big-endian two's complement in its row's slice of the data.

    Args:
        data: uint8 [bytes].
        line: the column; null rows are skipped. Its values become the bits of the float64 nearest to each decimal,
            correctly rounded, infinite beyond its range.
        kind: the decimal, with its maximum number of digits, and the number of digits after the point.

    Returns:
        The fault of each row that does not contain a valid decimal.
    """
    starts, ends, precision, scale = line.starts, line.ends, kind.precision, kind.scale
    values, status = line.values.view(np.float64), np.zeros(len(line.null), np.int64)
    digits = _Digits(10**precision if precision <= _LONG_DIGITS else 0, 10.0**scale if scale <= _EXACT_POWER else 0.0)
    _decimals(Spans(data, starts, ends), line.null, digits, values, status)
    faults = {int(row): Fault(int(status[row])) for row in np.flatnonzero(status < 0)}
    for row in np.flatnonzero(status == SLOW):  # more digits than fit a float64: rare enough for Python
        unscaled = int.from_bytes(data[starts[row] : ends[row]].tobytes(), "big", signed=True)
        if has_more_digits(unscaled, precision):
            faults[int(row)] = Fault.LONG_DECIMAL
        else:
            values[row] = _nearest(unscaled, scale)
    return faults


def _nearest(unscaled: int, scale: int) -> float:
    """Return the float64 nearest to unscaled / 10**scale, infinite beyond its range."""
    before = unscaled.bit_length() * math.log10(2) - scale  # digits before the point
    sign = -1.0 if unscaled < 0 else 1.0
    if abs(before) > _BEYOND:
        return sign * (math.inf if before > 0 else 0.0)
    try:
        return unscaled / power_of_ten(scale)  # Python rounds a quotient of integers only once
    except OverflowError:
        return sign * math.inf


@kernel
def first_digit(data: Bytes, start: np.int64, end: np.int64) -> np.int64:
    """Return where a number begins after the bytes that only repeat its sign.

    Args:
        data: uint8 [bytes].
        start: where the bytes of the number begin; there is at least one.
        end: where they end.
    """
    sign = data[start] >> 7
    filler = 0xFF if sign else 0
    while start + 1 < end and data[start] == filler and data[start + 1] >> 7 == sign:
        start += 1
    return start


class _Digits(NamedTuple):
    """The size of a decimal, as far as the kernel can use it."""

    limit: int  # a power of ten above every number; 0 if it is no int64
    divisor: float  # of an unscaled number; 0 if it is not exact in float64


@entry
def _decimals(texts: Spans, null: Flags, digits: _Digits, values: Floats, status: Ints) -> None:
    """Convert the rows in which the number and the power of ten are exact in float64, so one division rounds once.

    Args:
        texts: [rows], the bytes of each decimal.
        null: bool [rows], the rows to skip.
        digits: the size of the column's decimals.
        values: float64 [rows], output.
        status: int64 [rows], all 0; output: a fault, or SLOW if Python must read the number.
    """
    data, starts, ends, limit, divisor = texts.data, texts.starts, texts.ends, digits.limit, digits.divisor
    for row in range(len(null)):
        if null[row]:
            continue
        if ends[row] == starts[row]:
            status[row] = Fault.EMPTY_DECIMAL
            continue
        start = first_digit(data, starts[row], ends[row])
        if ends[row] - start > _INT64:
            status[row] = Fault.LONG_DECIMAL if limit else SLOW
            continue
        number = np.int64(-1 if data[start] & 0x80 else 0)
        for at in range(start, ends[row]):
            number = (number << 8) | np.int64(data[at])
        if limit and (number >= limit or number <= -limit):
            status[row] = Fault.LONG_DECIMAL
        elif divisor and -(1 << _DOUBLE_BITS) < number < 1 << _DOUBLE_BITS:
            values[row] = np.float64(number) / divisor
        else:
            status[row] = SLOW
