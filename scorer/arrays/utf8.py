# ruff: noqa: PLR2004  the numbers are the byte ranges of RFC 3629, section 4
"""Strict UTF-8, as Python decodes it: no surrogates, nothing overlong, nothing beyond U+10FFFF."""

import numpy as np

from scorer.arrays.kernel import Bytes, kernel


@kernel
def is_utf8(data: Bytes, start: np.int64, end: np.int64) -> bool:
    """Whether a slice of `data`, uint8 [bytes], is UTF-8."""
    seen = np.uint8(0)
    for index in range(start, end):
        seen |= data[index]
    if seen < 0x80:
        return True
    at = start
    while at < end:
        length = sequence(data, at, end)
        if length == 0:
            return False
        at += np.int64(length)
    return True


@kernel
def sequence(data: Bytes, at: np.int64, end: np.int64) -> int:
    """Return the length in bytes of the character at a position of `data`, uint8 [bytes]; 0 if none is valid there."""
    first = data[at]
    if first < 0x80:
        return 1
    if first < 0xC2 or first > 0xF4:
        return 0
    length = 2 if first < 0xE0 else 3 if first < 0xF0 else 4
    if end - at < length:
        return 0
    for index in range(1, length):
        if data[at + index] & 0xC0 != 0x80:
            return 0
    second = data[at + 1]
    overlong = (first == 0xE0 and second < 0xA0) or (first == 0xF0 and second < 0x90)
    surrogate = first == 0xED and second >= 0xA0
    beyond = first == 0xF4 and second >= 0x90
    return 0 if overlong or surrogate or beyond else length
