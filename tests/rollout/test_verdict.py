"""The verdict on a canary: what is large and certain withdraws it, and nothing else does."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scorer.rollout.guards import Guards
from scorer.rollout.sums import ArmSums
from scorer.rollout.verdict import difference, excess, joined, judge, stability_index

GUARDS = Guards()
EVEN = (1_000,) * 10
CHAMPION = ArmSums(events=10_000, alone=10_000, failed=50, calls=100, seconds=0.05, bins=EVEN)
CANARY = ArmSums(events=1_000, alone=1_000, failed=5, calls=100, seconds=0.005, bins=(100,) * 10)
LOW = (400, 300, 100, 50, 50, 50, 20, 10, 10, 10)
BAD: dict[str, dict[str, Any]] = {
    "dead_letters": {"failed": 60},
    "latency": {"slow": 70, "seconds": 0.5},
    "psi": {"bins": LOW},
}
WORDS = {
    "dead_letters": "60 of 1,000 events were dead letters or had no finite score (6.00%), and 50 of 10,000 of the "
    "champion (0.50%); the limit is 1.00% more",
    "latency": "70 of 100 calls took longer than 3 times the champion's time for an event (500 us an event, and 5 us "
    "of the champion)",
    "psi": "the scores of 1,000 events have a population stability index of 1.467 against those of 10,000 of the "
    "champion, in 10 bins; the limit is 0.25",
}


@pytest.mark.parametrize("guard", BAD)
def test_each_guard_says_why_with_numbers_and_can_be_turned_off(guard: str) -> None:
    canary = replace(CANARY, **BAD[guard])
    verdict = judge(GUARDS, CHAMPION, canary)
    assert verdict is not None
    assert (verdict.guard, verdict.why) == (guard, WORDS[guard])
    assert judge(GUARDS.model_copy(update={guard: None}), CHAMPION, canary) is None


def test_an_equal_version_stays() -> None:
    assert judge(GUARDS, CHAMPION, CANARY) is None


@pytest.mark.parametrize(
    "change",
    [
        {"failed": 14},  # certain with more events, but 0.9% more
        {"slow": 24},
        {"bins": (150, 120, 100, 100, 100, 100, 100, 100, 80, 50)},  # an index of 0.06
    ],
)
def test_a_certain_difference_within_the_limit_stays(change: dict[str, Any]) -> None:
    more = {name: 1_000 * value for name, value in change.items() if name != "bins"}
    bins = tuple(100 * each for each in change.get("bins", CANARY.bins))
    champion = replace(CHAMPION, events=10_000_000, alone=10_000_000, failed=50_000, calls=100_000)
    canary = replace(CANARY, events=1_000_000, alone=1_000_000, failed=5_000, calls=100_000, bins=bins)
    assert judge(GUARDS, champion, replace(canary, **more)) is None


@pytest.mark.parametrize("guard", BAD)
def test_nothing_is_judged_before_both_have_the_least_events(guard: str) -> None:
    canary = replace(CANARY, **BAD[guard])
    assert judge(Guards(least=1_001), CHAMPION, canary) is None
    few = replace(CHAMPION, events=99, alone=99, failed=0, bins=(10,) * 9 + (9,))
    assert judge(GUARDS, few, canary) is None


@pytest.mark.parametrize("guard", ["dead_letters", "psi"])
def test_a_large_difference_that_may_be_chance_stays(guard: str) -> None:
    """All events of the canary are of forty keys: if each had its own, the same numbers would withdraw it."""
    keys = (25, -25) * 20 + (0,) * 88
    canary = replace(CANARY, **BAD[guard], alone=0, keys=keys)
    assert canary.independent == 40
    assert judge(GUARDS, CHAMPION, canary) is None


def test_slow_calls_need_some_calls() -> None:
    assert judge(GUARDS, CHAMPION, replace(CANARY, calls=19, slow=19)) is None
    assert judge(GUARDS, CHAMPION, replace(CANARY, calls=40, slow=40)) is not None
    assert judge(GUARDS, replace(CHAMPION, slow=60), replace(CANARY, slow=70)) is None, "the machine is slow"


@given(st.integers(30, 400), st.integers(30, 2_000), st.floats(0.001, 0.5), st.integers(0, 2**32 - 1))
def test_the_evidence_of_a_ratio_is_a_bound_of_its_probability(n: int, m: int, ratio: float, seed: int) -> None:
    """The bound must not be below the exact probability: of the hypergeometric distribution, by its terms."""
    failed = max(int(ratio * (n + m)), 1)
    found = np.random.default_rng(seed).integers(0, min(n, failed) + 1)
    if found / n <= (failed - found) / m or failed - found > m:
        return
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + m + 1)))])

    def choose(total: int, some: int) -> float:
        return float(logs[total] - logs[some] - logs[total - some])

    terms = [
        choose(failed, k) + choose(n + m - failed, n - k) - choose(n + m, n)
        for k in range(found, min(n, failed) + 1)
        if n - k <= n + m - failed
    ]
    exact = np.logaddexp.reduce(terms)
    assert -excess(found / n, n, (failed - found) / m, m) >= exact - 1e-9


def test_the_evidence_of_scores_is_a_bound_of_its_probability() -> None:
    chance, trials = np.random.default_rng(0), 20_000
    found = []
    for n, m in ((100, 9_900), (300, 700)):
        mine, other = (chance.multinomial(each, [0.1] * 10, trials) for each in (n, m))
        for own, others in zip(mine.tolist(), other.tolist(), strict=True):
            canary, champion = (ArmSums(events=sum(bins), alone=sum(bins), bins=tuple(bins)) for bins in (own, others))
            found.append(difference(*joined(canary, champion)))
    evidence = np.array(found)
    for bound in (1, 2, 3, 5):
        assert (evidence >= bound).mean() <= np.exp(-bound)
    assert evidence.max() > 5, "the bound is no more cautious than need be"


def test_bins_with_few_events_are_joined_and_lose_none() -> None:
    champion = ArmSums(events=1_000, alone=1_000, bins=(0, 500, 0, 0, 494, 1, 1, 1, 1, 2))
    canary = ArmSums(events=100, alone=100, bins=(1, 49, 0, 2, 40, 1, 1, 1, 1, 4))
    mine, other = joined(canary, champion)
    assert mine.tolist() == [50, 42, 8]
    assert other.tolist() == [500, 494, 6]
    assert stability_index(mine, other) > 0


def test_scores_where_the_champion_has_none_are_seen() -> None:
    champion = ArmSums(events=9_900, alone=9_900, bins=(0, 9_900, 0))
    assert judge(GUARDS, champion, ArmSums(events=100, alone=100, bins=(0, 0, 100))) is not None
    assert judge(GUARDS, champion, ArmSums(events=100, alone=100, bins=(0, 100, 0))) is None
