"""Reads the UBJSON that XGBoost writes, numeric arrays as numpy arrays: exact floats, and fast for large models.

It reads only what XGBoost writes (src/common/json.cc in its source): lengths are int64, numbers are big-endian, and
arrays start with their length.
"""

import struct
from typing import Any

import numpy as np

_FORMS = {"i": "b", "U": "B", "I": ">h", "l": ">i", "L": ">q", "d": ">f", "D": ">d", "C": "B"}
_NUMBERS = {mark: struct.Struct(form) for mark, form in _FORMS.items()}
_ARRAYS = {"i": "i1", "U": "u1", "I": ">i2", "l": ">i4", "L": ">i8", "d": ">f4", "D": ">f8"}
_WORDS = {"Z": None, "T": True, "F": False}


def read(data: bytes | bytearray) -> Any:  # noqa: ANN401  JSON
    """Read one document.

    Raises:
        ValueError: if the data is not such a document.
    """
    try:
        return _Reader(data).value()
    except (IndexError, KeyError, struct.error, RecursionError) as error:
        raise ValueError(f"not UBJSON: {error!r}") from error


class _Reader:
    def __init__(self, data: bytes | bytearray) -> None:
        self._data = data
        self._at = 0

    def value(self) -> Any:  # noqa: ANN401  JSON
        mark = self._mark()
        if mark == "{":
            return self._object()
        if mark == "[":
            return self._array()
        if mark == "S":
            return self._text()
        if mark in _WORDS:
            return _WORDS[mark]
        return self._number(mark)

    def _object(self) -> dict[str, Any]:
        found = {}
        while self._data[self._at] != ord("}"):
            name = self._text()
            found[name] = self.value()
        self._at += 1
        return found

    def _array(self) -> Any:  # noqa: ANN401  a list or an array
        mark = self._mark()
        if mark == "$":
            kind = np.dtype(_ARRAYS[self._mark()])
            self._mark()
            count = self._length(kind.itemsize)
            array = np.frombuffer(self._data, kind, count, self._at)
            self._at += count * kind.itemsize
            return array.astype(kind.newbyteorder("="))
        if mark != "#":
            raise ValueError(f"not UBJSON as XGBoost writes it: an array without a length at byte {self._at}")
        return [self.value() for _ in range(self._length(1))]

    def _text(self) -> str:
        length = self._length(1)
        self._at += length
        return self._data[self._at - length : self._at].decode()

    def _length(self, size: int) -> int:
        """Return how many items of at least `size` bytes follow; never more than the remaining bytes can hold."""
        length = self._number(self._mark())
        if not isinstance(length, int) or not 0 <= length * size <= len(self._data) - self._at:
            raise ValueError(f"not UBJSON: a length of {length} at byte {self._at}")
        return length

    def _number(self, mark: str) -> Any:  # noqa: ANN401  int or float
        form = _NUMBERS[mark]
        (number,) = form.unpack_from(self._data, self._at)
        self._at += form.size
        return number

    def _mark(self) -> str:
        self._at += 1
        return chr(self._data[self._at - 1])
