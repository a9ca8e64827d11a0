"""Many texts as slices of one buffer, without a Python object for each."""

import secrets
from collections.abc import Sequence
from typing import NamedTuple, Self, overload

import numpy as np
from numpy.typing import NDArray

from scorer.arrays.kernel import Bytes, BytesOut, Ints, kernel

# The hash takes four bytes at a time and keeps 32 bits, in int64 so that no product overflows. Equal hashes prove
# nothing: texts are always compared. The seed is random, so that nobody can prepare texts that collide.
SEED = secrets.randbits(32)
HASH_BITS = 32
_PRIME = 0x2C1B3C6D
_BITS = (1 << HASH_BITS) - 1


class Spans(NamedTuple):
    """Slices of one buffer, as kernels take them."""

    data: Bytes  # [bytes]: the buffer
    starts: Ints  # [slices]: where each starts
    ends: Ints  # [slices]: where each ends


class Texts(Sequence[bytes]):
    """Texts as slices of one buffer; a text becomes an object only when it is indexed.

    data:   uint8 [bytes], the buffer.
    starts: int64 [texts], where each text starts.
    ends:   int64 [texts], where each text ends.
    """

    __slots__ = ("data", "ends", "starts")

    def __init__(self, data: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64]) -> None:
        self.data, self.starts, self.ends = data, starts, ends

    @classmethod
    def of(cls, texts: Sequence[bytes]) -> Self:
        """Return a sequence of bytes as `Texts`."""
        if isinstance(texts, cls):
            return texts
        data = b"".join(texts)  # raises TypeError for what is no text
        sizes = _sizes([*map(len, texts)])
        ends = np.cumsum(sizes)
        return cls(np.frombuffer(data, np.uint8), ends - sizes, ends)

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

    @property
    def spans(self) -> Spans:
        """The texts as kernels take them."""
        return Spans(self.data, self.starts, self.ends)

    def take(self, chosen: NDArray[np.int64]) -> "Texts":
        """Return the texts at the given indexes."""
        return Texts(self.data, self.starts[chosen], self.ends[chosen])


def _sizes(sizes: list[int]) -> NDArray[np.int64]:
    try:
        return np.frombuffer(bytes(sizes), np.uint8).astype(np.int64)  # in half the time, if none is above 255
    except ValueError:
        return np.array(sizes, np.int64)


@kernel
def copy(source: Bytes, start: int, end: int, target: BytesOut, at: int) -> int:
    """Copy source[start:end] to target[at:]; return the position after the copy.

    Args:
        source: uint8 [bytes].
        start: where the slice starts in `source`.
        end: where it ends.
        target: uint8 [bytes], output.
        at: where the copy starts in `target`.
    """
    first, begin = np.uint64(start), np.uint64(at)  # unsigned: a possibly negative index would prevent vectorisation
    for byte in range(np.uint64(end - start)):
        target[begin + byte] = source[first + byte]
    return at + end - start


@kernel
def hash_of(data: Bytes, start: int, end: int, seed: int) -> np.int64:
    """Return a 32-bit hash of a slice; different slices may have the same.

    Args:
        data: uint8 [bytes].
        start: where the slice starts.
        end: where it ends.
        seed: 32 bits that change every hash.
    """
    hashed = np.int64(seed) ^ (end - start)
    at = np.uint64(start)
    for _ in range((end - start) // 4):
        hashed = _mixed(hashed ^ word(data, at))
        at += np.uint64(4)
    for last in range(at, np.uint64(end)):
        hashed = _mixed(hashed ^ np.int64(data[last]))
    return _mixed(hashed)


@kernel
def word(data: Bytes, at: np.uint64) -> np.int64:
    """Return four bytes of `data`, uint8 [bytes], as one number; the compiler turns this into a single load."""
    word = np.int64(0)
    for byte in range(4):
        word |= np.int64(data[at + np.uint64(byte)]) << np.int64(8 * byte)
    return word


@kernel
def _mixed(hashed: np.int64) -> np.int64:
    """Mix 32 bits: each result bit depends on the bits at and below its place, and up to 15 places above."""
    hashed = (hashed * _PRIME) & _BITS
    return hashed ^ (hashed >> 15)


@kernel
def same(data: Bytes, one: int, others: Bytes, other: int, length: int) -> bool:
    """Return whether two slices of the same length are equal.

    Args:
        data: uint8 [bytes], the buffer of the first slice.
        one: where it starts.
        others: uint8 [bytes], the buffer of the second.
        other: where that starts.
        length: in bytes, of both.
    """
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
