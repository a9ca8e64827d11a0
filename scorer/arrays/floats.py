"""Text to float64, exactly as Python's `float` reads it, thousands of texts at a time.

A kernel reads plain decimal notation of up to 19 digits. Any other text that `float` might accept (white space,
underscores, `inf`, `nan`, digits of other scripts, more digits) is passed to `float`. The kernel rounds correctly:
either by one exact multiplication or division of two float64 (Clinger, "How to read floating point numbers accurately",
1990), or by the 128-bit product of Lemire, "Number parsing at a gigabyte per second", 2021.
"""

import numpy as np
from numpy.typing import NDArray

from scorer.arrays.kernel import Bytes, Codes, Floats, entry, kernel
from scorer.arrays.spans import Spans

MAX_DIGITS = 19  # the most decimal digits that always fit in 64 bits
MAX_POWER = 60  # largest power of ten, positive or negative: with 19 digits no result is subnormal or infinite
EXACT_POWER = 22  # the largest power of ten that is a float64
EXACT_INTEGER = 1 << 53
LAST_ROUNDED_UP = -27  # 5**27 is the largest power of 5 that fits in 64 bits
SIGN_BIT = np.uint64(1 << 63)
LOW = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)
FULL = np.uint64(0xFFFFFFFFFFFFFFFF)
ONE, TWO, THREE = np.uint64(1), np.uint64(2), np.uint64(3)
HIDDEN_BIT = np.uint64(1 << 52)  # the highest bit of a float64's mantissa, which is not stored
PLAIN, HARD, NONE = np.uint8(0), np.uint8(1), np.uint8(2)  # read by the kernel, left to `float`, no text

NO_TEXT = -1  # in `starts`

POWERS = 10.0 ** np.arange(EXACT_POWER + 1)


def _five_to(power: int) -> int:
    """Return the 128 leading bits of 5**power: truncated, or rounded up where Lemire's proof requires it."""
    if power >= 0:
        exact = int(5**power)
        return (exact << 128) >> exact.bit_length()
    divisor = int(5**-power)
    return (1 << (divisor.bit_length() + 127)) // divisor + (power >= LAST_ROUNDED_UP)


FIVES = np.array(
    [[(_five_to(q) >> 64) & int(FULL), _five_to(q) & int(FULL)] for q in range(-MAX_POWER, MAX_POWER + 1)], np.uint64
)


@kernel
def multiply(a: np.uint64, b: np.uint64) -> tuple[np.uint64, np.uint64]:
    """Return the high and the low half of the 128-bit product."""
    lows = (a & LOW) * (b & LOW)
    cross = (a >> HALF) * (b & LOW) + (lows >> HALF)
    middle = (a & LOW) * (b >> HALF) + (cross & LOW)
    return (a >> HALF) * (b >> HALF) + (cross >> HALF) + (middle >> HALF), (middle << HALF) | (lows & LOW)


@kernel
def nearest(digits: np.uint64, power: np.int64) -> tuple[np.uint64, np.uint8]:
    """Return the bits of the float64 nearest to digits * 10**power, and HARD if 128 bits are not enough to decide."""
    zeros = np.int64(0)
    while digits < SIGN_BIT:
        digits <<= ONE
        zeros += 1
    high, low = multiply(digits, FIVES[power + MAX_POWER, 0])
    if high & np.uint64(0x1FF) == np.uint64(0x1FF):
        more, _ = multiply(digits, FIVES[power + MAX_POWER, 1])
        if more > FULL - low:
            low = low - (FULL - more) - ONE
            high += ONE
        else:
            low += more
        if low == FULL and (power < -27 or power > 55):  # noqa: PLR2004  the paper's bounds of an exact product
            return np.uint64(0), HARD
    upper = high >> np.uint64(63)
    shift = upper + np.uint64(9)
    mantissa = high >> shift
    exponent = np.int64((217706 * power) >> 16) + 63 + np.int64(upper) - zeros + 1023
    halfway = low <= ONE and -4 <= power <= 23 and mantissa & THREE == ONE  # noqa: PLR2004  ties exist there alone
    if halfway and mantissa << shift == high:
        mantissa &= ~ONE
    mantissa = (mantissa + (mantissa & ONE)) >> ONE
    if mantissa >= HIDDEN_BIT * TWO:
        mantissa = HIDDEN_BIT
        exponent += 1
    return (np.uint64(exponent) << np.uint64(52)) | (mantissa & (HIDDEN_BIT - ONE)), PLAIN


@kernel
def plain(data: Bytes, at: int, end: int) -> tuple[np.uint64, np.int64, bool, np.uint8]:
    """Read a text in plain notation.

    Args:
        data: uint8 [bytes].
        at: where the text starts.
        end: where it ends.

    Returns:
        The digits as one number, the power of ten, whether it is negative; PLAIN, or HARD for any other text.
    """
    negative = at < end and data[at] == ord("-")
    if negative or (at < end and data[at] == ord("+")):
        at += 1
    digits, power, seen, significant, fraction = np.uint64(0), np.int64(0), False, 0, False
    while at < end:
        if data[at] == ord(".") and not fraction:
            fraction = True
        elif ord("0") <= data[at] <= ord("9"):
            seen = True
            if significant == MAX_DIGITS:
                return digits, power, negative, HARD
            digits = digits * np.uint64(10) + np.uint64(data[at] - ord("0"))
            significant += int(significant > 0 or digits > np.uint64(0))
            power -= fraction
        else:
            break
        at += 1
    if not seen:
        return digits, power, negative, HARD
    if at < end:
        more, status = exponent_of(data, at, end)
        return digits, power + more, negative, status
    return digits, power, negative, PLAIN


@kernel
def exponent_of(data: Bytes, at: int, end: int) -> tuple[np.int64, np.uint8]:
    """Return the number in `e-5` or `E+20`, from a position of `data`, uint8 [bytes]; HARD for any other text."""
    exponent = np.int64(0)
    if data[at] != ord("e") and data[at] != ord("E"):
        return exponent, HARD
    at += 1
    negative = at < end and data[at] == ord("-")
    if negative or (at < end and data[at] == ord("+")):
        at += 1
    if at >= end or end - at > MAX_DIGITS - 1:
        return exponent, HARD
    while at < end:
        if data[at] < ord("0") or data[at] > ord("9"):
            return exponent, HARD
        exponent = exponent * 10 + np.int64(data[at] - ord("0"))
        at += 1
    return -exponent if negative else exponent, PLAIN


@entry
def read_plain(texts: Spans, values: Floats, status: Codes) -> int:
    """Read all texts in plain notation.

    Args:
        texts: [texts]; NO_TEXT is a start where there is none.
        values: float64 [texts], output: NaN where there is no text, unspecified where a text is HARD.
        status: uint8 [texts], output: PLAIN, HARD or NONE.

    Returns:
        How many texts are HARD.
    """
    data, starts, ends = texts.data, texts.starts, texts.ends
    bits = values.view(np.uint64)
    hard = 0
    for text in range(len(starts)):
        if starts[text] == NO_TEXT:
            values[text], status[text] = np.nan, NONE
            continue
        digits, power, negative, status[text] = plain(data, starts[text], ends[text])
        if status[text] == PLAIN:
            if digits == np.uint64(0):
                values[text] = 0.0
            elif digits <= np.uint64(EXACT_INTEGER) and 0 <= power <= EXACT_POWER:
                values[text] = np.float64(digits) * POWERS[power]
            elif digits <= np.uint64(EXACT_INTEGER) and -EXACT_POWER <= power < 0:
                values[text] = np.float64(digits) / POWERS[-power]
            elif -MAX_POWER <= power <= MAX_POWER:
                bits[text], status[text] = nearest(digits, power)
            else:
                status[text] = HARD
        if status[text] == HARD:
            hard += 1
        elif negative:
            values[text] = -values[text]
    return hard


def parse(
    data: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Read texts, UTF-8, as numbers.

    Args:
        data:   uint8 [bytes], the bytes that the texts are slices of.
        starts: int64 [texts], where each text starts in `data`, or NO_TEXT.
        ends:   int64 [texts], where each text ends.

    Returns:
        float64 [texts], the values, NaN if a text is not a number; bool [texts], whether it is a number.
    """
    values, status = np.empty(len(starts)), np.empty(len(starts), np.uint8)
    hard = read_plain(Spans(data, starts, ends), values, status)
    numeric = status == PLAIN
    if hard:
        for text in np.flatnonzero(status == HARD).tolist():
            values[text], numeric[text] = by_python(data[starts[text] : ends[text]].tobytes())
    return values, numeric


def by_python(text: bytes) -> tuple[float, bool]:
    """Return `float` of a text, and whether the text is a number."""
    try:
        return float(str(text, "utf-8")), True
    except ValueError:
        return np.nan, False
