"""The features of one entity in memory, found by its key, or by its key and a time."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scorer.arrays.distinct import FREE
from scorer.arrays.lookup import TextIndex
from scorer.arrays.spans import Texts
from scorer.avro import Schema
from scorer.batch import NO_SLOT, NO_TIME, Found, Lookup
from scorer.errors import Misconfigured, Problem, did_you_mean
from scorer.plan import Entity
from scorer.store import Reply, Request
from scorer.store.redis.layouts import layout_of
from scorer.tables.feature_columns import (
    KEY,
    has_whole_keys,
    is_number,
    is_time,
    keys_of,
    nulls,
    numbers,
    read_features,
    seconds,
    since_of,
)

_MILLISECONDS = 1_000.0


class FeatureTable:
    """The features of one entity.

    Args:
        entity: the entity.
        file: Parquet or CSV.
        schema: the schema of the events.
        as_of: the column of times, if the table has one.

    Attributes:
        past: whether a key has rows of several times.
        notes: remarks on the table for the user, as sentences.

    Raises:
        Misconfigured: with every problem of the table.
    """

    def __init__(self, entity: Entity, file: Path, schema: Schema, as_of: str | None) -> None:
        self._entity, self._file = entity, str(file)
        table = read_features(file, entity, schema, as_of)
        self.past = as_of is not None and as_of in table.column_names
        times = {dated.name: dated.fields for dated in layout_of(entity).times(entity)} if not self.past else {}
        paths = [part.path for part in entity.key.parts]
        keyed = [KEY] if has_whole_keys(entity, table) else paths
        moments = [*times, *([as_of] if self.past and as_of else [])]
        self._require([*keyed, *entity.fields, *moments], moments, table)
        used = {*keyed, *entity.fields, *times, as_of}
        unused = [name for name in table.column_names if name not in used]
        self.notes = [f"{file}: not used: {', '.join(unused)}"] if unused else []
        columns = [numbers(table.column(name)) for name in entity.fields]
        values = np.stack(columns, axis=1) if columns else np.empty((table.num_rows, 0))
        with np.errstate(over="ignore", invalid="ignore"):
            values = values.astype(layout_of(entity).number_type).astype(np.float64)  # the precision that Redis has
        absent = np.stack([nulls(table.column(name)) for name in entity.fields], axis=1)
        changed = {name: (fields, seconds(table.column(name))) for name, fields in times.items()}
        if entity.layout == "packed":
            absent[:] = False  # a packed value has a NaN there
        keys, there = keys_of(entity, table, schema, self._file)
        if self.past and as_of:
            since = since_of(table.column(as_of))
            there &= since != NO_TIME
            self._sort(keys, since, values, absent, there)
        else:
            self._keep(keys, values, absent, changed, there)

    def _require(self, needed: Sequence[str], moments: Sequence[str], table: pa.Table) -> None:
        """Make sure that the table has its columns, of types that can be used.

        Raises:
            Misconfigured: with every one that is absent or of another type.
        """
        problems, names = list[Problem](), table.column_names
        others, all_of_them = [name for name in names if name not in needed], ", ".join(dict.fromkeys(needed))
        for name in dict.fromkeys(needed):
            if names.count(name) != 1:
                what = f"duplicate column '{name}'" if name in names else f"no column '{name}'"
                hint = "" if name in names else did_you_mean(name, others)
                problems.append(Problem(self._file, what + hint, f"expected the columns {all_of_them}"))
                continue
            kind = table.schema.field(name).type
            checks = [(self._entity.fields, is_number, "numbers"), (moments, is_time, "times, or Unix seconds")]
            for columns, fits, words in checks:
                if name in columns and not fits(kind):
                    problems.append(Problem(self._file, f"column '{name}' is {kind}", f"expected {words}"))
        if problems:
            raise Misconfigured(problems)

    def _keep(
        self,
        keys: Texts,
        values: NDArray[np.float64],
        absent: NDArray[np.bool_],
        changed: Mapping[str, tuple[tuple[str, ...], NDArray[np.float64]]],
        there: NDArray[np.bool_],
    ) -> None:
        """Keep one row for each key.

        Raises:
            Misconfigured: a key has several.
        """
        rows = np.flatnonzero(there)
        self._index = TextIndex(keys.take(rows))
        if len(self._index.first) < len(rows):
            twice = int(np.flatnonzero(self._index.slots != np.arange(len(rows)))[0])
            key = self._entity.key.readable(keys[int(rows[twice])])
            what = f"{len(rows):,} rows have {len(self._index.first):,} keys: '{key}' has several"
            raise Misconfigured(
                [Problem(self._file, what, "expected one row a key, or --as-of with a column of times")]
            )
        self._values, self._absent = values[rows], absent[rows]
        self._changed = [(fields, last[rows]) for fields, last in changed.values()]

    def _sort(
        self,
        keys: Texts,
        since: NDArray[np.int64],
        values: NDArray[np.float64],
        absent: NDArray[np.bool_],
        there: NDArray[np.bool_],
    ) -> None:
        """Keep the rows of each key in the order of their times; of equal times, the last row of the file wins."""
        rows = np.flatnonzero(there)
        self._index = TextIndex(keys.take(rows))
        order = np.lexsort((since[rows], self._index.slots))  # stable
        rows = rows[order]
        self._values, self._absent, self._since = values[rows], absent[rows], since[rows]
        groups = self._index.slots[order]
        self._ends = np.searchsorted(groups, np.arange(len(self._index.first)), "right")
        self._starts = np.searchsorted(groups, np.arange(len(self._index.first)), "left")

    def reply(self, keys: Texts, now: float) -> Reply:
        """Return the features of some keys."""
        at = self._index.find(keys)
        results = np.where(at == FREE, Lookup.MISSING, Lookup.HIT).astype(np.uint8)
        values, absent = self._lines(at)
        results[absent.all(axis=1)] = Lookup.MISSING
        limit = self._entity.max_age
        for fields, last in self._changed if limit is not None else ():
            known = last[at] if len(last) else np.full(len(at), np.nan)
            old = ~(np.isfinite(known) & (now - known <= (limit or 0)))
            mine = [self._entity.fields.index(name) for name in fields]
            results[old & (results == Lookup.HIT) & ~absent[:, mine].all(axis=1)] = Lookup.STALE
        _blank(values, absent, results)
        return Reply(values, absent, results)

    def found(self, request: Request, slots: NDArray[np.int32], times: NDArray[np.int64]) -> Found:
        """Return the features of each row of a batch at its own time, with a line for each row that has a key."""
        rows = np.flatnonzero(slots != NO_SLOT)
        keys = Texts.of(request.keys)
        group, when = self._index.find(keys)[slots[rows]], times[rows]
        at = self._newest(group, when)
        results = np.where(at == FREE, Lookup.MISSING, Lookup.HIT).astype(np.uint8)
        values, absent = self._lines(at)
        results[absent.all(axis=1)] = Lookup.MISSING
        if self._entity.max_age is not None and len(self._since):
            old = (when - self._since[at]) / _MILLISECONDS > self._entity.max_age
            results[old & (results == Lookup.HIT)] = Lookup.STALE
        _blank(values, absent, results)
        lines = np.full(len(slots), NO_SLOT, np.int32)
        lines[rows] = np.arange(len(rows), dtype=np.int32)
        return Found(self._entity.name, lines, values, absent, results, keys.take(slots[rows].astype(np.int64)))

    def _newest(self, group: NDArray[np.int32], when: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the newest row of each group that is not after a time, or FREE; a bisection of all at once."""
        known = (group != FREE) & (when != NO_TIME)
        low, high = np.zeros(len(group), np.int64), np.zeros(len(group), np.int64)
        low[known], high[known] = self._starts[group[known]], self._ends[group[known]]
        first = low.copy()
        while (open_ := low < high).any():
            middle = (low + high) // 2
            earlier = np.zeros(len(group), np.bool_)
            earlier[open_] = self._since[middle[open_]] <= when[open_]
            low, high = np.where(open_ & earlier, middle + 1, low), np.where(open_ & ~earlier, middle, high)
        return np.where(low > first, low - 1, FREE)

    def _lines(self, at: NDArray[np.integer]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return the features of some rows of the table, and which are absent; all of a row that is FREE."""
        if not len(self._values):
            shape = len(at), len(self._entity.fields)
            return np.full(shape, np.nan), np.ones(shape, np.bool_)
        values, absent = self._values[at], self._absent[at]
        absent[at == FREE] = True
        return values, absent


def _blank(values: NDArray[np.float64], absent: NDArray[np.bool_], results: NDArray[np.uint8]) -> None:
    """Make all features of a look-up that is no hit absent."""
    absent[results != Lookup.HIT] = True
    values[absent] = np.nan
