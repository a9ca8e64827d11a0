"""The expected outcome of each record of the demo, and the comparison with what came out.

Expected scores come from `booster.predict` on a matrix made by pandas: no part of the product is involved.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xgboost
from numpy.typing import NDArray

SHOWN = 5  # examples of wrong outcomes


@dataclass(frozen=True, slots=True, eq=False)
class Expected:
    """The expected outcome of each record, by its number in the order of sending.

    ids:        the id of each event or bad record, which is also its key.
    scores:     float64 [records] for each version, the widened float32 of `booster.predict`; arbitrary for bad records.
    missing:    uint8 [records], bit i is set if the i-th entity of the plan is not in the feature store.
    reasons:    the reason of each dead letter, by the number of the bad record.
    """

    ids: Sequence[str]
    scores: Mapping[str, NDArray[np.float64]]
    missing: NDArray[np.uint8]
    reasons: Mapping[int, str]


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """All predictions and dead letters, in the order of reading.

    numbers:   int64 [predictions], the number of the record with the prediction's event id; -1 if there is none.
    versions:  for each prediction, the version that it names.
    scores:    float64 [predictions]
    missing:   uint8 [predictions], as in Expected.
    sources:   int64 [predictions, 2], source partition and source offset of the prediction.
    rejected:  for each dead letter, the number of its record, its reason, and whether its value is the record's.
    """

    numbers: NDArray[np.int64]
    versions: Sequence[str]
    scores: NDArray[np.float64]
    missing: NDArray[np.uint8]
    sources: NDArray[np.int64]
    rejected: Sequence[tuple[int, str, bool]]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of the comparison.

    lost:       records without their expected prediction or dead letter.
    duplicates: predictions after the first for the same event.
    wrong:      predictions and dead letters that differ from the expected ones, with some `examples`.
    """

    events: int
    predictions: int
    dead_letters: int
    lost: int
    duplicates: int
    wrong: int
    examples: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether every record has its expected outcome."""
        return not self.lost and not self.wrong


def compare(expected: Expected, positions: NDArray[np.int64], seen: Seen) -> Verdict:
    """Compare the outcomes with the expected ones.

    Args:
        expected: the expected outcomes of all records.
        positions: int64 [sent, 2], partition and offset of the records that were sent, which are the first ones.
        seen: the predictions and dead letters.
    """
    sent = len(positions)
    bad = {number: reason for number, reason in expected.reasons.items() if number < sent}
    known = (seen.numbers >= 0) & (seen.numbers < sent)
    copies = np.bincount(seen.numbers[known], minlength=sent)
    rejected = {number for number, _, _ in seen.rejected}
    is_event = np.ones(sent, bool)
    is_event[list(bad)] = False
    complaints = [*_wrong_predictions(expected, positions, seen, known, is_event), *_wrong_letters(bad, seen, expected)]
    return Verdict(
        events=int(is_event.sum()),
        predictions=len(seen.numbers),
        dead_letters=len(rejected),
        lost=int((copies[is_event] == 0).sum()) + len(bad.keys() - rejected),
        duplicates=int((copies - 1).clip(0).sum()),
        wrong=len(complaints),
        examples=tuple(complaints[:SHOWN]),
    )


def booster_scores(booster: xgboost.Booster, names: list[str], values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return `booster.predict` of a matrix [events, columns]."""
    return booster.predict(
        xgboost.DMatrix(values, feature_names=names, feature_types=booster.feature_types, enable_categorical=True)
    )


def auc(late: NDArray[np.float64], scores: NDArray[np.floating]) -> float:
    """Return how often a late flight scores higher than one on time: NaN outcomes are ignored, ties count half."""
    known = np.isfinite(late)
    positive = late[known] > 0
    _, rank, count = np.unique(scores[known], return_inverse=True, return_counts=True)
    middle = np.cumsum(count) - (count - 1) / 2
    hits, misses = int(positive.sum()), int((~positive).sum())
    return (
        float((middle[rank][positive].sum() - hits * (hits + 1) / 2) / (hits * misses)) if hits and misses else np.nan
    )


def auc_error(late: NDArray[np.float64], scores: NDArray[np.floating]) -> float:
    """Return the standard error of an AUC (Hanley and McNeil 1982); NaN where there is no AUC."""
    value, known = auc(late, scores), late[np.isfinite(late)] > 0
    hits, misses = int(known.sum()), int((~known).sum())
    if not hits or not misses:
        return np.nan
    both, neither = value / (2 - value) - value**2, 2 * value**2 / (1 + value) - value**2
    return float(np.sqrt((value * (1 - value) + (hits - 1) * both + (misses - 1) * neither) / (hits * misses)))


def _wrong_predictions(
    expected: Expected,
    positions: NDArray[np.int64],
    seen: Seen,
    known: NDArray[np.bool_],
    is_event: NDArray[np.bool_],
) -> list[str]:
    number, versions = np.where(known, seen.numbers, 0), np.array(seen.versions, np.str_)
    faults = {
        "is for no event that was sent": ~known | ~is_event[number],
        "names another version": ~np.isin(versions, list(expected.scores)),
        "has another score than booster.predict": seen.scores != _expected_scores(expected, versions, number),
        "names other missing entities": seen.missing != expected.missing[number],
        "names another source record": (seen.sources != positions[number]).any(axis=1),
    }
    return [
        f"{expected.ids[number[at]] if known[at] else 'a prediction'} {fault}"
        for at in np.flatnonzero(np.logical_or.reduce(list(faults.values())))
        for fault in [next(name for name, rows in faults.items() if rows[at])]
    ]


def _expected_scores(expected: Expected, versions: NDArray[np.str_], number: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the score that the version of each prediction gives its event; NaN for other versions."""
    scores = np.full(len(number), np.nan)
    for version, values in expected.scores.items():
        own = versions == version
        scores[own] = values[number[own]]
    return scores


def _wrong_letters(bad: Mapping[int, str], seen: Seen, expected: Expected) -> list[str]:
    complaints = []
    for number, reason, same in seen.rejected:
        name = expected.ids[number] if number >= 0 else "an unknown record"
        if bad.get(number) != reason:
            complaints.append(f"{name} is a dead letter for {reason}, expected {bad.get(number, 'a prediction')}")
        elif not same:
            complaints.append(f"the dead letter of {name} does not carry its bytes")
    return complaints
