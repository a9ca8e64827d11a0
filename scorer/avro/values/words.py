"""Texts end to end, as kernels take them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from scorer.arrays.kernel import Bytes, Ints


class Words(NamedTuple):
    """Texts end to end."""

    data: Bytes  # [bytes]
    ends: Ints  # [words]: where each ends


def end_to_end(words: Sequence[bytes]) -> Words:
    """Concatenate words."""
    return Words(np.frombuffer(b"".join(words), np.uint8), np.cumsum([len(word) for word in words], dtype=np.int64))
