"""Converts scalars of a file that our schema encodes differently: enums with other symbols, and promoted numbers."""

import struct
from collections.abc import Callable

from scorer.avro.evolution.skipping import Broken, real, take_long
from scorer.avro.types.grammar import Scalar
from scorer.avro.types.likeness import goes_by, promotes, words
from scorer.avro.values.binary import pack_long

Step = Callable[[bytes, int, bytearray], int]  # converts the value at a position, and returns the position after it


def conversion(written: Scalar, wanted: Scalar) -> Step | None:
    """Return the function that converts values of one scalar to another; None if Avro has no such conversion."""
    match written.base, wanted.base:
        case "enum", "enum" if goes_by(written.name, wanted):
            return _enum(written, wanted)
        case (("int" | "long" | "float"), ("float" | "double")) if promotes(written, wanted):
            return _real(written, "<f" if wanted.base == "float" else "<d")
    return None


def _enum(written: Scalar, wanted: Scalar) -> Step:
    known = {symbol: pack_long(index) for index, symbol in enumerate(wanted.symbols)}
    indexes = [known.get(symbol, known.get(wanted.fallback)) for symbol in written.symbols]

    def step(data: bytes, at: int, out: bytearray) -> int:
        index, at = take_long(data, at)
        if not 0 <= index < len(indexes):
            raise Broken(f"symbol {index} of an enum of {len(indexes)}")
        symbol = indexes[index]
        if symbol is None:
            raise Broken(f"the symbol {written.symbols[index]!a} is not one of ours, {words(wanted)} without a default")
        out += symbol
        return at

    return step


def _real(written: Scalar, form: str) -> Step:
    def step(data: bytes, at: int, out: bytearray) -> int:
        number, at = real(written, data, at)
        out += struct.pack(form, number)
        return at

    return step
