"""Many texts without an object for each."""

from collections.abc import Sequence
from typing import Self, overload

import numpy as np
from numpy.typing import NDArray

from scorer.kernel import kernel


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


@kernel(bare=True)
def copy(source: NDArray[np.uint8], start: int, end: int, target: NDArray[np.uint8], at: int) -> int:
    """Copy some bytes and return where the next go."""
    first, begin = np.uint64(start), np.uint64(at)  # unsigned: an index that may be negative stops the vectoriser
    for byte in range(np.uint64(end - start)):
        target[begin + byte] = source[first + byte]
    return at + end - start
