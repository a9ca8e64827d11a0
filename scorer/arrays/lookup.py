"""A hash join in memory: finds texts among many others, without a Python object for each."""

import numpy as np
from numpy.typing import NDArray

from scorer.arrays.distinct import HashTable, cell_of, number_texts
from scorer.arrays.kernel import Ints, Ints32, entry
from scorer.arrays.spans import Spans, Texts, hash_of


class TextIndex:
    """Finds texts among others.

    Args:
        texts: those to search, [rows].

    Attributes:
        slots: int32 [rows], the number of each row's text among the distinct ones, in the order in which they appear.
        first: int64 [texts], the first row of each distinct text.
    """

    def __init__(self, texts: Texts) -> None:
        rows = len(texts)
        self._texts = Spans(texts.data, np.ascontiguousarray(texts.starts), np.ascontiguousarray(texts.ends))
        self._table = HashTable.empty(rows)
        self.slots, first = np.empty(rows, np.int32), np.empty(rows, np.int64)
        self.first = first[: number_texts(self._texts, np.ones(rows, np.bool_), self._table, self.slots, first)]

    def find(self, texts: Texts) -> NDArray[np.int32]:
        """Return int32 [texts], the number of each text among the distinct ones, or FREE if it is none of them."""
        found = np.empty(len(texts), np.int32)
        wanted = Spans(texts.data, np.ascontiguousarray(texts.starts), np.ascontiguousarray(texts.ends))
        find_texts(wanted, self._texts, self._table, self.first, found)
        return found


@entry
def find_texts(wanted: Spans, texts: Spans, table: HashTable, first: Ints, found: Ints32) -> None:
    """Find texts in a table.

    Args:
        wanted: [wanted], the texts to find.
        texts: [rows], those that `number_texts` filled the table with.
        table: the table.
        first: int64 [texts], the first row of each distinct text.
        found: int32 [wanted], output: the number of each text, or FREE.
    """
    for at in range(len(found)):
        hashed = hash_of(wanted.data, wanted.starts[at], wanted.ends[at], table.seed)
        found[at] = table.cells[cell_of(at, hashed, wanted, texts, table, first)]
