"""Encodes the explanations of a batch. Imported with the first one: its kernel takes time to load."""

from typing import NamedTuple

import numpy as np

from scorer.arrays.kernel import BytesOut, Floats2, Ints, Table32, entry
from scorer.avro.encode.encoder import UNEXPLAINED, encoded_texts, put_double, put_long, put_word
from scorer.avro.values.words import Words
from scorer.batch import Explanations

_PRESENT = 2  # the varint of branch 1
_NUMBER = 1 + 8  # bytes of a nullable double
_ENDS = 1 + 10 + 1  # bytes of a branch, of the count of an array, and of its end


class _Lines(NamedTuple):
    """The explanations of a batch; see `Explanations`."""

    columns: Table32  # [lines, top]
    values: Floats2  # [lines, top]
    bits: Ints  # [2 * lines * top]: those of the values, then those of the contributions


def encode_explanations(explanations: Explanations) -> Words:
    """Encode explanations by the field `explanation` of `prediction.avsc`: null first, then each line."""
    names = encoded_texts(explanations.names)
    lines, top = explanations.columns.shape
    numbers = np.stack([explanations.values, explanations.contributions]).astype(np.float64)
    given = _Lines(explanations.columns, explanations.values, numbers.view(np.int64).reshape(-1))
    longest = int(np.diff(names.ends, prepend=0).max(initial=0))
    out = np.empty(len(UNEXPLAINED.data) + lines * (_ENDS + top * (longest + 2 * _NUMBER)), np.uint8)
    ends = np.empty(1 + lines, np.int64)
    out[: len(UNEXPLAINED.data)], ends[0] = UNEXPLAINED.data, len(UNEXPLAINED.data)
    return Words(out[: _encode_lines(given, names, out, ends)], ends)


@entry
def _encode_lines(lines: _Lines, names: Words, out: BytesOut, ends: Ints) -> int:
    """Write each line after what is there, and return where the last one ends.

    Args:
        lines: the explanations.
        names: [columns], encoded.
        out: uint8 [bytes], output, large enough for all of them.
        ends: int64 [1 + lines], output: where each ends in `out`; the first is given.
    """
    at: int = ends[0]
    top = lines.columns.shape[1]
    for line in range(lines.columns.shape[0]):
        count = 0
        while count < top and lines.columns[line, count] >= 0:
            count += 1
        out[at] = _PRESENT
        at += 1
        if count > 0:
            at = put_long(count, out, at)
        for each in range(count):
            at = put_word(names, lines.columns[line, each], out, at)
            missing = np.isnan(lines.values[line, each])
            out[at] = 0 if missing else _PRESENT
            at += 1
            if not missing:
                at = put_double(lines.bits[line * top + each], out, at)
            at = put_double(lines.bits[len(lines.bits) // 2 + line * top + each], out, at)
        out[at] = 0
        at += 1
        ends[line + 1] = at
    return at
