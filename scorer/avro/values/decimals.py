"""Decimals as text, and how many digits they have.

A value may be as long as an event, and a precision as large as 2^31 - 1. So the time is proportional to the bytes of a
value, except for text: converting to decimal digits is quadratic, so a number with too many digits is refused.
"""

import math
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal
from functools import lru_cache
from typing import Final, cast

EXACT: Final = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)
MOST_DIGITS: Final = 10_000  # in a decimal's text


@lru_cache(maxsize=8)
def power_of_ten(exponent: int) -> int:
    """Return a power of ten. It is cached, since it is slow for many digits and the same for every row of a column."""
    return cast("int", 10**exponent)


def decimal_text(unscaled: int, scale: int) -> str:
    """Return unscaled / 10**scale as text, without an exponent.

    Raises:
        ValueError: it has more than MOST_DIGITS digits.
    """
    if max(scale, unscaled.bit_length() * math.log10(2)) > MOST_DIGITS:
        raise ValueError(f"a decimal of more than {MOST_DIGITS} digits, too many to show")
    return format(Decimal(unscaled).scaleb(-scale, EXACT), "f")


def has_more_digits(number: int, digits: int) -> bool:
    """Whether a number has more than `digits` decimal digits, without computing a power of ten much larger than it."""
    bits = number.bit_length()
    if bits <= 3 * digits:
        return False
    return bits > 4 * digits or abs(number) >= power_of_ten(digits)
