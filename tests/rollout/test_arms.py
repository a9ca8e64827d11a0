"""An event's arm is a stable function of its key: shares are exact, raising one only adds keys, and nothing moves."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from scorer.arrays.spans import Spans, Texts
from scorer.rollout import Arms, Canary

PERCENTS = st.integers(1, 5_000).map(lambda hundredths: hundredths / 100)
SALTS = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=5)
KEYS = [b"key-%d" % number for number in range(20_000)]


def arms(canaries: list[Canary], keys: list[bytes | None], ids: list[bytes] | None = None) -> NDArray[np.uint8]:
    texts = Texts.of([key or b"" for key in keys])
    identities = Texts.of(ids or [b"" for _ in keys])
    spans = Spans(identities.data, identities.starts, identities.ends)
    return Arms(canaries).of(texts, np.array([key is None for key in keys], np.bool_), spans)


def canary(version: str, percent: float, salt: str = "") -> Canary:
    return Canary(version=version, percent=percent, salt=salt or version)


def by_hand(key: bytes, canaries: list[Canary]) -> int:
    """The same with Python's numbers, which have no width: what a program in any language would compute."""

    def fnv(text: bytes) -> int:
        hashed = 0x811C9DC5
        for byte in text:
            hashed = (hashed ^ byte) * 0x01000193 % 2**32
        return hashed

    def mixed(hashed: int) -> int:
        hashed = (hashed ^ hashed >> 16) * 0x21F0AAAD % 2**32
        hashed = (hashed ^ hashed >> 15) * 0x735A2D97 % 2**32
        return hashed ^ hashed >> 15

    rest = 10_000
    for number, each in enumerate(canaries, 1):
        share, salt = round(each.percent * 100), fnv(each.salt.encode())
        if mixed((mixed(fnv(key) ^ salt) + salt) % 2**32) * rest < share * 2**32 - (share * 2**32) % rest:
            return number
        rest -= share
    return 0


def test_the_arms_of_some_keys_never_change() -> None:
    """If this fails, replicas of two versions of scorer would disagree, and keys would move to other arms."""
    two = [canary("2", 10), canary("3", 30, "salt")]
    keys = [b"", b"a", b"N14228", "schlüssel".encode(), b"\x00\xff", *KEYS[:25]]
    assert "".join(map(str, arms(two, list(keys)).tolist())) == "000000000202022100220022000220"


@given(st.lists(st.binary(max_size=12), min_size=1, max_size=30), PERCENTS, PERCENTS, SALTS, SALTS)
def test_the_arm_is_what_anybody_can_compute(
    keys: list[bytes], first: float, second: float, salt: str, other: str
) -> None:
    canaries = [canary("2", first, salt), canary("3", second, other)]
    assert arms(canaries, list(keys)).tolist() == [by_hand(key, canaries) for key in keys]


@given(SALTS, PERCENTS, PERCENTS, PERCENTS)
def test_a_larger_share_has_all_keys_of_a_smaller_one(salt: str, one: float, two: float, other: float) -> None:
    small, large = sorted((one, two))
    before, after = (arms([canary("2", share, salt)], list(KEYS[:2_000])) for share in (small, large))
    assert ((before == 1) <= (after == 1)).all()
    # Another canary in front of it changes nothing about that, nor does one behind it.
    for at in (0, 1):
        lists = [[canary("2", share, salt)] for share in (small, large)]
        for each in lists:
            each.insert(at, canary("3", other, "other"))
        before, after = (arms(each, list(KEYS[:2_000])) for each in lists)
        mine = 2 - at
        assert ((before == mine) <= (after == mine)).all()
        if at == 0:  # the one in front keeps its keys
            assert ((before == 1) == (after == 1)).all()


@pytest.mark.parametrize("percent", [0.5, 1, 5, 25, 50, 100])
def test_each_canary_gets_its_share(percent: float) -> None:
    share = percent / 100
    several = [canary("2", percent), *([canary("3", percent)] if percent <= 50 else [])]
    counts = np.bincount(arms(several, list(KEYS)), minlength=3)
    slack = 5 * np.sqrt(len(KEYS) * share * (1 - share)) + 1
    for number in range(1, 1 + len(several)):
        assert abs(counts[number] - len(KEYS) * share) <= slack


def test_shares_with_two_salts_are_independent() -> None:
    """Otherwise the second experiment would have the keys of the first, and both would be biased."""
    one, two = (arms([canary("2", 50, salt)], list(KEYS)) == 1 for salt in ("2", "3"))
    both = int((one & two).sum())
    assert abs(both - len(KEYS) / 4) < 5 * np.sqrt(len(KEYS) * 3 / 16)


def test_an_event_without_a_key_goes_by_its_id() -> None:
    half, ids = [canary("2", 50)], KEYS[:200]
    with_keys = arms(half, list(ids))
    assert (arms(half, [None] * 200, ids) == with_keys).all()
    assert (arms(half, list(ids), [b"unused"] * 200) == with_keys).all()
    assert len(set(with_keys.tolist())) == 2
    empty: list[bytes | None] = [b""] * 200  # an empty key is a key
    assert len(set(arms(half, empty, ids).tolist())) == 1


def test_all_events_may_go_to_canaries() -> None:
    assert set(arms([canary("2", 100)], list(KEYS)).tolist()) == {1}
    assert set(arms([canary("2", 60), canary("3", 40)], list(KEYS)).tolist()) == {1, 2}
