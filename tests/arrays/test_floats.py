import math
import struct
from fractions import Fraction

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from scorer.arrays.floats import FIVES, MAX_POWER, NO_TEXT, parse

DIGITS = st.integers(0, 10**25).map(str)
PLAIN = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["", "-", "+"]),
    DIGITS,
    st.one_of(st.just(""), st.just("."), DIGITS.map(".{}".format)),
    st.one_of(st.just(""), st.builds("{}{}".format, st.sampled_from(["e", "E", "e+", "e-"]), st.integers(0, 400))),
)
DOUBLES = st.integers(0, 2**64 - 1).map(lambda bits: struct.unpack("<d", struct.pack("<Q", bits))[0])
# Exactly between two float64, where a sloppy product rounds the wrong way.
HALFWAY = st.builds(
    lambda odd, twos, fives: str((2 * odd + 1) * 2**twos) + f"e{fives}",
    st.integers(2**52, 2**53),
    st.integers(0, 8),
    st.integers(-30, 30),
)
SCRIBBLE = st.text(st.sampled_from("0123456789+-.eE_ \tnaifINFty\u0663\u07c4"), max_size=12)


def read(texts: list[bytes]) -> tuple[list[float], list[bool]]:
    data = np.frombuffer(b"".join(texts) + b"9", np.uint8).copy()  # a digit behind the last must not be read
    sizes = np.array([len(text) for text in texts], np.int64)
    values, numeric = parse(data, np.cumsum(sizes) - sizes, np.cumsum(sizes))
    return values.tolist(), numeric.tolist()


def by_float(text: bytes) -> tuple[float, bool]:
    try:
        return float(text.decode()), True
    except ValueError:
        return float("nan"), False


def assert_as_float(texts: list[bytes]) -> None:
    values, numeric = read(texts)
    for text, value, is_number in zip(texts, values, numeric, strict=True):
        expected, expected_number = by_float(text)
        assert is_number == expected_number, text
        both_nan = math.isnan(value) and math.isnan(expected)
        assert both_nan or struct.pack("<d", value) == struct.pack("<d", expected), text


@given(st.lists(st.one_of(PLAIN, DOUBLES.map(repr), DOUBLES.map("{:.17g}".format), HALFWAY, SCRIBBLE), max_size=50))
@example(
    ["9007199254740993", "9007199254740992.999", "0.1", "-0", "+.5", "5.", ".", "e5", "1e", "1e+", "", "-", "1.2.3"]
)
@example(
    [
        "1_000",
        " 12 ",
        "inf",
        "-Infinity",
        "nan",
        "1e400",
        "-1e400",
        "1e-400",
        "4.9e-324",
        "2.4e-324",
        "0e999",
        "0e99999999999999999999",
    ]
)
@example(["18446744073709551616", "9999999999999999999", "99999999999999999999", "00000000000000000000000001.50000"])
@example(
    ["0x10", "1,5", "1e5e5", "--1", "\uff11\uff12", "\u0663.\u0665", "\u00a07\u2003", "1e1_0", "1__0", "_1", "True"]
)
def test_text_is_parsed_as_python_parses_it(texts: list[str]) -> None:
    assert_as_float([text.encode() for text in texts])


@given(st.lists(st.binary(max_size=10), max_size=30))
@example([b"\xff", b"1\x00", b"\x00", b"1\r", b"\xe2\x80\x83" + b"1"])
def test_any_bytes_are_parsed_as_python_parses_their_text(texts: list[bytes]) -> None:
    assert_as_float(texts)


def test_doubles_survive_a_round_trip_through_text() -> None:
    rng = np.random.default_rng(3)
    doubles = np.concatenate([rng.normal(size=20_000), rng.integers(0, 2**63, 20_000, np.uint64).view(np.float64)])
    texts = [repr(double).encode() for double in doubles[np.isfinite(doubles)].tolist()]
    values, numeric = read(texts)
    assert all(numeric)
    assert values == [float(text) for text in texts]


def test_a_missing_text_is_not_a_number() -> None:
    values, numeric = parse(np.frombuffer(b"12", np.uint8).copy(), np.array([0, NO_TEXT]), np.array([2, 0]))
    assert values[0] == 12
    assert np.isnan(values[1])
    assert numeric.tolist() == [True, False]


def test_the_table_holds_the_leading_bits_of_powers_of_five() -> None:
    for power, (high, low) in zip(range(-MAX_POWER, MAX_POWER + 1), FIVES.tolist(), strict=True):
        stored, exact = (high << 64) + low, Fraction(5) ** power
        scale = Fraction(2) ** (stored.bit_length() - 1 - _log2(exact))
        assert stored.bit_length() == 128
        assert abs(stored - exact * scale) <= 1, power


def _log2(exact: Fraction) -> int:
    """The integer part of the logarithm, rounded down."""
    guess = exact.numerator.bit_length() - exact.denominator.bit_length()
    return guess if exact >= Fraction(2) ** guess else guess - 1
