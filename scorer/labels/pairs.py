"""Counts of negatives and positives by distinct score, from which ranking measures such as the AUC follow.

Scores are float32. Dropping their lower bits makes them coarser: there are fewer distinct ones, and scores that become
equal count as ties.
"""

import base64
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

MOST_SHIFT = 31
_SIGN = np.int32(0x7FFF_FFFF)
_NONE = np.empty(0, np.int64)
_LINE = np.dtype([("key", "<i4"), ("negatives", "<u4"), ("positives", "<u4")])
MOST_BYTES = 1 << 24  # of the lines of a record that is read


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Counts by distinct score, in ascending order of scores.

    shift:     how many of the lower bits of a score were left out; 0 if the counts are exact.
    keys:      int64 [scores], the upper bits of each score, as a number that grows with the score.
    negatives: int64 [scores], how many events with this score have the label 0.
    positives: int64 [scores], how many have the label 1.
    """

    shift: int = 0
    keys: NDArray[np.int64] = field(default_factory=_NONE.copy)
    negatives: NDArray[np.int64] = field(default_factory=_NONE.copy)
    positives: NDArray[np.int64] = field(default_factory=_NONE.copy)

    @classmethod
    def of(cls, scores: NDArray[np.float32], positive: NDArray[np.bool_]) -> Self:
        """Count finite scores by whether the label is 1."""
        bits = (scores + np.float32(0)).view(np.int32)  # which makes -0 a 0
        keys = np.where(bits < 0, bits ^ _SIGN, bits).astype(np.int64)
        return cls(0, *_counted(keys, (~positive).astype(np.int64), positive.astype(np.int64)))

    def coarser(self, shift: int) -> "Pairs":
        """Return the counts by the scores without so many bits."""
        if shift <= self.shift:
            return self
        return Pairs(shift, *_counted(self.keys >> (shift - self.shift), self.negatives, self.positives))

    def distinct(self, shift: int) -> int:
        """Return how many different scores there are without so many bits."""
        coarse = self.keys >> max(0, shift - self.shift)
        return int(np.count_nonzero(np.diff(coarse))) + bool(len(coarse))

    @classmethod
    def total(cls, some: Sequence["Pairs"]) -> "Pairs":
        """Return the sum of all counts, as coarse as the coarsest of them."""
        shift = max((pairs.shift for pairs in some), default=0)
        columns = [pairs.coarser(shift).columns for pairs in some]
        return cls(shift, *_counted(*(np.concatenate([_NONE, *column]) for column in zip(*columns, strict=True))))

    @property
    def columns(self) -> tuple[NDArray[np.int64], ...]:
        """Keys, negatives and positives."""
        return self.keys, self.negatives, self.positives

    def document(self) -> dict[str, Any]:
        """Return the counts as a part of a record."""
        lines = np.empty(len(self.keys), _LINE)
        lines["key"], lines["negatives"], lines["positives"] = self.keys, self.negatives, self.positives
        columns = b"".join(np.ascontiguousarray(lines[name]).tobytes() for name in _LINE.names or ())
        return {"shift": self.shift, "lines": len(lines), "data": base64.b64encode(zlib.compress(columns)).decode()}

    @classmethod
    def read(cls, document: dict[str, Any]) -> Self:
        """Return the counts in a part of a record.

        Raises:
            KeyError, TypeError, ValueError: they are not such counts.
        """
        shift, lines = int(document["shift"]), int(document["lines"])
        packed = zlib.decompressobj()
        try:
            raw = packed.decompress(base64.b64decode(document["data"], validate=True), MOST_BYTES)
        except zlib.error as error:
            raise ValueError(str(error)) from error
        if not 0 <= shift <= MOST_SHIFT or len(raw) != lines * _LINE.itemsize:
            raise ValueError("not the lines that the record announces")
        columns = np.frombuffer(raw, "<u4").reshape(3, lines)
        return cls(shift, columns[0].view("<i4").astype(np.int64), *columns[1:].astype(np.int64))


def _counted(
    keys: NDArray[np.int64], negatives: NDArray[np.int64], positives: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Add up the counts of equal keys."""
    if not len(keys):
        return _NONE, _NONE, _NONE
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    first = np.flatnonzero(np.diff(keys, prepend=keys[0] - 1))
    return keys[first], np.add.reduceat(negatives[order], first), np.add.reduceat(positives[order], first)
