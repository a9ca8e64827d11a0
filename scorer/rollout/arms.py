"""Which arm scores an event: a stable function of its key and the salts, equal on every replica and platform."""

from collections.abc import Sequence
from typing import cast

import numpy as np
from numpy.typing import NDArray

from scorer.arrays.kernel import Codes, Flags, Ints, entry, kernel
from scorer.arrays.spans import Spans, Texts
from scorer.rollout.state import WHOLE, Canary

CHAMPION = 0  # the arm of every event that no canary takes; canaries are 1, 2, ...
_BITS = 0xFFFF_FFFF
_RANGE = 1 << 32  # hashes are below
_FNV_START, _FNV_PRIME = 0x811C_9DC5, 0x0100_0193


class Arms:
    """Assigns events to the champion and its canaries.

    An event is offered to the canaries in order. Each takes a key if the key's hash with its salt is below its
    threshold, which makes up for what the canaries before it took: so each gets the share of the events that it should
    have. A larger share has all the keys of a smaller one; the keys that it adds come from the champion and from the
    canaries behind it.

    Args:
        canaries: at most 255, with 100 percent together at most.
    """

    def __init__(self, canaries: Sequence[Canary]) -> None:
        rest, thresholds = WHOLE, []
        for canary in canaries:
            thresholds.append(_RANGE * canary.hundredths // rest if rest else 0)
            rest -= canary.hundredths
        self._thresholds = np.array(thresholds, np.int64)
        self._salts = np.array([_hash_text(canary.salt.encode()) for canary in canaries], np.int64)

    def of(self, keys: Texts, null: NDArray[np.bool_], ids: Spans) -> NDArray[np.uint8]:
        """Return the arm of each event: uint8 [rows], CHAMPION or the number of a canary.

        Args:
            keys: [rows], the keys of the events.
            null: bool [rows], whether the event has no key: its id decides then.
            ids: [rows], the ids of the events.
        """
        arms = np.full(len(null), CHAMPION, np.uint8)
        spans = Spans(keys.data, keys.starts, keys.ends)
        assign(spans, null, ids, self._salts, self._thresholds, arms)
        return arms


class Sample:
    """Draws events by a stable function of their keys: the same ones on every replica.

    Args:
        share: the share of the events, above 0 and up to 1.
        salt: samples with different salts are independent of each other, and of the arms.
    """

    def __init__(self, share: float, salt: str) -> None:
        self._threshold = np.array([round(_RANGE * share)], np.int64)
        self._salt = np.array([_hash_text(salt.encode())], np.int64)

    def of(self, keys: Texts, null: NDArray[np.bool_], ids: Spans) -> NDArray[np.bool_]:
        """Return which events are drawn: bool [rows]. The arguments are those of `Arms.of`."""
        drawn = np.zeros(len(null), np.uint8)
        assign(Spans(keys.data, keys.starts, keys.ends), null, ids, self._salt, self._threshold, drawn)
        return drawn.astype(np.bool_)


def keys_of(keys: Sequence[bytes | None], rows: int) -> tuple[Texts, NDArray[np.bool_]]:
    """Return the keys of events as texts, and which events have none.

    Args:
        keys: the keys of the events; empty if none has one.
        rows: the number of events.
    """
    if not keys:
        return Texts.of([b""] * rows), np.ones(rows, np.bool_)
    try:
        return Texts.of(cast("Sequence[bytes]", keys)), np.zeros(rows, np.bool_)
    except TypeError:  # some are null
        null = np.array([key is None for key in keys], np.bool_)
        return Texts.of([key or b"" for key in keys]), null


@kernel
def _mixed(hashed: int) -> int:
    """Return 32 bits of which each depends on every bit of `hashed`; no product leaves an int64."""
    hashed = ((hashed ^ (hashed >> 16)) * 0x21F0_AAAD) & _BITS
    hashed = ((hashed ^ (hashed >> 15)) * 0x735A_2D97) & _BITS
    return hashed ^ (hashed >> 15)


@kernel
def _hash(texts: Spans, row: int) -> int:
    """Return the FNV-1a hash of a text, 32 bits."""
    hashed = _FNV_START
    for at in range(texts.starts[row], texts.ends[row]):
        hashed = ((hashed ^ int(texts.data[at])) * _FNV_PRIME) & _BITS
    return hashed


@entry
def assign(keys: Spans, null: Flags, ids: Spans, salts: Ints, thresholds: Ints, arms: Codes) -> None:  # noqa: PLR0913, PLR0917  a kernel takes arrays
    """Write the arm of each event to `arms`, which are all CHAMPION.

    Never change what this returns: a key would move to another arm.

    Args:
        keys: [rows], the key of each event.
        null: bool [rows], whether it has none.
        ids: [rows], the id of each event.
        salts: int64 [canaries], 32 bits.
        thresholds: int64 [canaries], up to 2**32.
        arms: uint8 [rows], output.
    """
    for row in range(len(null)):
        hashed = _hash(ids, row) if null[row] else _hash(keys, row)
        for canary in range(len(salts)):
            salted = _mixed(hashed ^ salts[canary])
            if _mixed((salted + salts[canary]) & _BITS) < thresholds[canary]:
                arms[row] = canary + 1
                break


def _hash_text(text: bytes) -> int:
    hashed = _FNV_START
    for byte in text:
        hashed = ((hashed ^ byte) * _FNV_PRIME) & _BITS
    return hashed
