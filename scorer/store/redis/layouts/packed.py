"""Layout `packed`: a Redis string for each key, of little-endian float32 in the order of the entity's fields."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from scorer.arrays.kernel import Bytes, entry
from scorer.arrays.spans import word
from scorer.batch import Lookup
from scorer.plan.plan import Entity
from scorer.store.protocol import Answers, Reply, Request
from scorer.store.redis.bounds import VALUE_ROOM
from scorer.store.redis.layouts.layout import LOADING, Dated, Finding, Server, Stored
from scorer.store.redis.resp import ABSENT, BARE, ERROR, Cells, Marks, command, commands, equal_widths

FLOAT32 = 4  # bytes
HIT, MISSING, INVALID = (np.uint8(each) for each in (Lookup.HIT, Lookup.MISSING, Lookup.INVALID))


class PackedLayout:
    """MGET for all keys, or GET for each.

    A key of another type is INVALID, except with MGET, which returns null for it: there it is MISSING.
    """

    redis_type = "string"
    number_type: type[np.float32] | type[np.float64] = np.float32
    writer = LOADING

    def lookups(self, request: Request, *, singly: bool) -> tuple[bytes, NDArray[np.int64]]:
        """Return one MGET, or a GET for each key."""
        keys = request.keys
        if singly:
            return commands(keys, b"*2\r\n$3\r\nGET\r\n", b""), equal_widths(len(keys), BARE)
        return b"*%d\r\n$4\r\nMGET\r\n" % (1 + len(keys)) + commands(keys, b"", b""), np.array([len(keys)])

    def is_together(self, request: Request, *, singly: bool) -> bool:
        """Whether one command has more than one key."""
        return not singly and len(request.keys) > 1

    def most_bytes(self, entity: Entity) -> int:
        """Return how many bytes one value may take."""
        return VALUE_ROOM + FLOAT32 * len(entity.fields)

    def times(self, entity: Entity) -> tuple[Dated, ...]:  # noqa: ARG002  a value has no time
        """Return no time."""
        return ()

    def read(self, entity: Entity, cells: Cells, now: float) -> Reply:  # noqa: ARG002  a value has no time
        """Copy the words."""
        found = Answers.empty(cells.marks.shape[1], len(entity.fields))
        unpack(cells.data, Marks(*cells.marks), found)
        return Reply(*found)

    def writes(self, entity: Entity, stored: Stored) -> list[bytes]:
        """Return a SET, with NaN for a field without a value."""
        row = np.array([float(text) if text else np.nan for text in stored.values])
        assert len(row) == len(entity.fields)  # noqa: S101  a shorter value would be INVALID
        return [command(b"SET", stored.key, row.astype("<f4").tobytes())]

    def findings(self, server: Server, key: bytes, shown_key: str, entity: Entity) -> Iterator[Finding]:
        """Check that a value has the right length."""
        length, right = server.number(b"STRLEN", key), FLOAT32 * len(entity.fields)
        fault = f"'{shown_key}' has {length} bytes instead of {right} ({FLOAT32} for each of `fields`)"
        yield Finding("length", "" if length == right else fault)


@entry
def unpack(data: Bytes, marks: Marks, found: Answers) -> None:
    """Copy each packed value of the right length into its row, otherwise NaN; note the look-up results.

    Args:
        data: uint8 [bytes], the bytes received.
        marks: [keys], the value of each key.
        found: [keys], output.
    """
    values, absent, lookup = found.values, found.absent, found.results
    for key in range(len(lookup)):
        kind, start, end = marks.kinds[key], marks.starts[key], marks.ends[key]
        state = HIT
        if kind == ABSENT:
            state = MISSING
        elif kind == ERROR or end - start != FLOAT32 * values.shape[1]:
            state = INVALID
        lookup[key] = state
        for field in range(values.shape[1]):
            absent[key, field] = state != HIT
            values[key, field] = np.nan
            if state == HIT:  # uncompiled, numpy warns of a signaling NaN
                values[key, field] = np.uint32(word(data, np.uint64(start + FLOAT32 * field))).view(np.float32)
