"""Whether a canary has to be withdrawn, and why: a pure function of the sums of a window.

No limit alone decides: the difference must also be significant. The evidence is the logarithm of a bound on the
probability of such a difference between two equal versions, so that one may look at the sums as often as one likes.
Events of one key are not independent, since they all go to the same arm and often get the same score. So the evidence
counts an arm as if it had fewer events: as many as if all events of a key were one.
"""

from dataclasses import dataclass
from math import log

import numpy as np
from numpy.typing import NDArray

from scorer.rollout.guards import Guards
from scorer.rollout.sums import ArmSums

EVIDENCE = log(1e9)  # one look in a billion withdraws a version that is equal to the champion
LEAST_CALLS = 20  # of the version, before its latency is judged
SLOW_CALLS = 0.25  # by how much the ratio of its slow calls must exceed that of the champion's
LEAST_IN_BIN = 5  # events of the canary; a bin with fewer is joined with the next
PSEUDO_COUNT = 0.5  # added to each bin for the index, which has logarithms of the shares

Counts = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why a canary has to be withdrawn.

    guard: the name of the guard, as in `Guards`.
    why:   the reason, with numbers, for people.
    """

    guard: str
    why: str


def judge(guards: Guards, champion: ArmSums, canary: ArmSums) -> Verdict | None:
    """Return why a canary has to be withdrawn; None if it may stay.

    Args:
        guards: the limits.
        champion: the champion's sums in the window.
        canary: the canary's sums.
    """
    if min(champion.events, canary.events) < guards.least:
        return None
    return _errors(guards, champion, canary) or _latency(guards, champion, canary) or _scores(guards, champion, canary)


def _errors(guards: Guards, champion: ArmSums, canary: ArmSums) -> Verdict | None:
    if guards.dead_letters is None:
        return None
    mine, other = canary.failed / canary.events, champion.failed / champion.events
    if mine - other <= guards.dead_letters:
        return None
    if excess(mine, canary.independent, other, champion.independent) < EVIDENCE:
        return None
    return Verdict(
        "dead_letters",
        f"{canary.failed:,} of {canary.events:,} events were dead letters or had no finite score ({mine:.2%}), and "
        f"{champion.failed:,} of {champion.events:,} of the champion ({other:.2%}); the limit is "
        f"{guards.dead_letters:.2%} more",
    )


def _latency(guards: Guards, champion: ArmSums, canary: ArmSums) -> Verdict | None:
    if guards.latency is None or canary.calls < LEAST_CALLS or champion.calls < LEAST_CALLS:
        return None
    mine, other = canary.slow / canary.calls, champion.slow / champion.calls
    if mine - other <= SLOW_CALLS or excess(mine, canary.calls, other, champion.calls) < EVIDENCE:
        return None
    return Verdict(
        "latency",
        f"{canary.slow:,} of {canary.calls:,} calls took longer than {guards.latency:g} times the champion's time for "
        f"an event ({_micros(canary)} an event, and {_micros(champion)} of the champion)",
    )


def _scores(guards: Guards, champion: ArmSums, canary: ArmSums) -> Verdict | None:
    if guards.psi is None or min(champion.scored, canary.scored) < guards.least:
        return None
    mine, other = joined(canary, champion)
    index = stability_index(mine, other)
    if index <= guards.psi or difference(mine, other) < EVIDENCE:
        return None
    return Verdict(
        "psi",
        f"the scores of {canary.scored:,} events have a population stability index of {index:.3f} against those of "
        f"{champion.scored:,} of the champion, in {len(mine)} bins; the limit is {guards.psi:g}",
    )


def excess(mine: float, events: float, other: float, others: float) -> float:
    """Return the evidence that two arms have different ratios: minus the log of a bound on the chance of such a gap.

    It is Hoeffding's bound for a sample without replacement: how likely a random part of all events has that many.

    Args:
        mine: the ratio of the canary.
        events: its independent events.
        other: the ratio of the champion, which is lower.
        others: its independent events.
    """
    pooled = (mine * events + other * others) / (events + others)
    return events * (_weighted(mine, pooled) + _weighted(1 - mine, 1 - pooled))


def joined(canary: ArmSums, champion: ArmSums) -> tuple[Counts, Counts]:
    """Return the independent events of both in each bin, where bins with few events are joined."""
    mine = np.array(canary.bins) * (canary.independent / canary.events)
    other = np.array(champion.bins) * (champion.independent / champion.events)
    scale = mine.sum() / other.sum()
    bins: list[tuple[float, float]] = []
    at, last = np.zeros(2), len(mine) - 1
    for number, pair in enumerate(np.column_stack([mine, other])):
        at += pair
        if max(at[0], at[1] * scale) >= LEAST_IN_BIN:
            bins.append((at[0], at[1]))
            at = np.zeros(2)
        elif number == last and bins:
            bins[-1] = (bins[-1][0] + at[0], bins[-1][1] + at[1])
    counts = np.array(bins or [(mine.sum(), other.sum())])
    return counts[:, 0], counts[:, 1]


def stability_index(mine: Counts, other: Counts) -> float:
    """Return the population stability index of two histograms."""
    shares, others = ((each + PSEUDO_COUNT) / (each + PSEUDO_COUNT).sum() for each in (mine, other))
    return float(((shares - others) * np.log(shares / others)).sum())


def difference(mine: Counts, other: Counts) -> float:
    """Return the evidence that two histograms differ: minus the log of a bound on the chance of such a difference.

    Without a difference, the likelihood ratio is nearly chi-square distributed. So is the stability index divided by
    (1/n + 1/m), but the likelihood ratio is right with few events as well. The bound on its tail is Chernoff's.
    """
    degrees = len(mine) - 1
    if not degrees:
        return 0.0
    both = mine + other
    ratio = 2 * sum(_weighted_sum(each, both * (each.sum() / both.sum())) for each in (mine, other))
    return (ratio - degrees) / 2 - degrees / 2 * log(ratio / degrees) if ratio > degrees else 0.0


def _weighted_sum(counts: Counts, expected: Counts) -> float:
    some = counts > 0
    return float((counts[some] * np.log(counts[some] / expected[some])).sum())


def _weighted(share: float, expected: float) -> float:
    return share * log(share / expected) if share > 0 else 0.0


def _micros(arm: ArmSums) -> str:
    return f"{1e6 * arm.seconds / arm.events:.3g} us"
