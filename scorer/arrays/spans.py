"""Many texts without an object for each."""

import secrets
from collections.abc import Sequence
from typing import Self, overload

import numpy as np
from numpy.typing import NDArray

from scorer.arrays.kernel import kernel

# The hash takes four bytes at a time and keeps 32 bits, in int64 so that no product overflows. It only spreads:
# equality is always checked. A seed of this process keeps anyone from preparing texts that collide.
SEED = secrets.randbits(32)
HASH_BITS = 32
_PRIME = 0x2C1B3C6D
_BITS = (1 << HASH_BITS) - 1


class Texts(Sequence[bytes]):
    """Texts that stand somewhere in some bytes; one becomes an object when it is asked for.

    data:   uint8 [bytes], what they stand in.
    starts: int64 [texts], where each begins.
    ends:   int64 [texts], where it ends.
    """

    __slots__ = ("data", "ends", "starts")

    def __init__(self, data: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64]) -> None:
        self.data, self.starts, self.ends = data, starts, ends

    @classmethod
    def of(cls, texts: Sequence[bytes]) -> Self:
        """Return some texts as these."""
        if isinstance(texts, cls):
            return texts
        sizes = np.array([len(text) for text in texts], np.int64)
        ends = np.cumsum(sizes)
        return cls(np.frombuffer(b"".join(texts), np.uint8), ends - sizes, ends)

    def __len__(self) -> int:
        return len(self.starts)

    @overload
    def __getitem__(self, at: int) -> bytes: ...
    @overload
    def __getitem__(self, at: slice) -> list[bytes]: ...
    def __getitem__(self, at: int | slice) -> bytes | list[bytes]:
        if isinstance(at, slice):
            return [self[each] for each in range(*at.indices(len(self)))]
        return self.data[self.starts[at] : self.ends[at]].tobytes()

    def take(self, chosen: NDArray[np.int64]) -> "Texts":
        """Return the texts of these numbers."""
        return Texts(self.data, self.starts[chosen], self.ends[chosen])


@kernel(refcounts=False)
def copy(source: NDArray[np.uint8], start: int, end: int, target: NDArray[np.uint8], at: int) -> int:
    """Copy some bytes and return where the next go."""
    first, begin = np.uint64(start), np.uint64(at)  # unsigned: an index that may be negative stops the vectoriser
    for byte in range(np.uint64(end - start)):
        target[begin + byte] = source[first + byte]
    return at + end - start


@kernel(refcounts=False)
def hash_of(data: NDArray[np.uint8], start: int, end: int, seed: int) -> np.int64:
    """Return 32 bits that spread texts; two that differ may share them."""
    hashed = np.int64(seed) ^ (end - start)
    at = np.uint64(start)
    for _ in range((end - start) // 4):
        hashed = _mixed(hashed ^ word(data, at))
        at += np.uint64(4)
    for last in range(at, np.uint64(end)):
        hashed = _mixed(hashed ^ np.int64(data[last]))
    return _mixed(hashed)


@kernel(refcounts=False)
def word(data: NDArray[np.uint8], at: np.uint64) -> np.int64:
    """Return four bytes as one number, which the compiler reads at once."""
    word = np.int64(0)
    for byte in range(4):
        word |= np.int64(data[at + np.uint64(byte)]) << np.int64(8 * byte)
    return word


@kernel(refcounts=False)
def _mixed(hashed: np.int64) -> np.int64:
    """Return 32 bits that each depend on those at and below them, and on those of 15 above."""
    hashed = (hashed * _PRIME) & _BITS
    return hashed ^ (hashed >> 15)


@kernel(refcounts=False)
def same(data: NDArray[np.uint8], one: int, others: NDArray[np.uint8], other: int, length: int) -> bool:
    """Return whether as many bytes from a position of some bytes on are those from a position of others on."""
    first, second = np.uint64(one), np.uint64(other)
    for _ in range(length // 4):
        if word(data, first) != word(others, second):
            return False
        first += np.uint64(4)
        second += np.uint64(4)
    for at in range(np.uint64(length % 4)):  # noqa: SIM110  numba has no all()
        if data[first + at] != others[second + at]:
            return False
    return True
