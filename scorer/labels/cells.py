"""Sums over the events of one window, version, arm and segment. They add up over partitions and windows."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from scorer.labels.pairs import Pairs
from scorer.labels.task import Task, fits

BINS = 10  # of calibration, of equal width from 0 to 1
Numbers = NDArray[np.float64]
_MOST_SUM = 1e300
_OF_NUMBERS = frozenset({"error", "absolute", "square", "fourth"})
_OF_PROBABILITIES = frozenset({"log_loss", "log_loss_square", "brier", "brier_square", "error"})


class Key(NamedTuple):
    """The key of a cell; `field` is the segment's field, or empty in the cell of all events."""

    version: str
    arm: str
    field: str = ""
    value: str = ""


class Measure(NamedTuple):
    """How quality is measured.

    task:          what the model predicts.
    probabilities: whether its scores are probabilities.
    threshold:     the score from which a prediction counts as positive.
    """

    task: Task
    probabilities: bool
    threshold: float

    def like(self, other: "Measure") -> bool:
        """Whether sums by the two can be added."""
        return self[:2] == other[:2]

    @property
    def moments(self) -> frozenset[str]:
        """The names of the moments of a cell."""
        if self.task is Task.NUMBER:
            return _OF_NUMBERS
        return _OF_PROBABILITIES if self.task is Task.BINARY and self.probabilities else frozenset()


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """The sums of some events.

    predictions: events that were scored.
    labelled:    predictions whose label has arrived.
    unusable:    labelled predictions whose score is not finite, or whose label is not valid for the task.
    moments:     sums over the usable events, by name; see `cell_of`.
    outcomes:    counts by label and prediction; the prediction is a class, or 1 from the threshold on and else 0.
    calibration: for each bin the number of scores, their sum, and the sum of the labels.
    pairs:       for a binary model, counts by score.
    """

    predictions: int = 0
    labelled: int = 0
    unusable: int = 0
    moments: Mapping[str, float] = field(default_factory=dict)
    outcomes: Mapping[tuple[int, int], int] = field(default_factory=dict)
    calibration: tuple[tuple[float, ...], ...] = ()
    pairs: Pairs = field(default_factory=Pairs)

    @property
    def used(self) -> int:
        """The number of usable events."""
        return self.labelled - self.unusable

    @classmethod
    def total(cls, some: Sequence["Cell"]) -> "Cell":
        """Return the sum of at least one cell."""
        moments: dict[str, float] = {}
        outcomes = Counter[tuple[int, int]]()
        for cell in some:
            moments = {name: moments.get(name, 0.0) + value for name, value in cell.moments.items()} or moments
            outcomes.update(cell.outcomes)
        bins = zip(*(cell.calibration for cell in some if cell.calibration), strict=True)
        return cls(
            sum(cell.predictions for cell in some),
            sum(cell.labelled for cell in some),
            sum(cell.unusable for cell in some),
            moments,
            dict(sorted(outcomes.items())),
            tuple(tuple(map(sum, zip(*each, strict=True))) for each in bins),
            Pairs.total([cell.pairs for cell in some]),
        )

    def coarser(self, shift: int) -> "Cell":
        """Return the cell with coarser pairs."""
        return replace(self, pairs=self.pairs.coarser(shift))

    def document(self) -> dict[str, Any]:
        """Return the cell as a part of a record."""
        return {
            "predictions": self.predictions,
            "labelled": self.labelled,
            "unusable": self.unusable,
            "moments": dict(self.moments),
            "outcomes": [[*each, count] for each, count in self.outcomes.items()],
            "calibration": self.calibration,
            "pairs": self.pairs.document(),
        }

    @classmethod
    def read(cls, document: dict[str, Any], measure: Measure) -> Self:
        """Return the cell in a part of a record.

        Raises:
            LookupError, TypeError, ValueError, ArithmeticError, AttributeError: it is not a cell, or contradicts
                itself.
        """
        found = cls(
            whole(document["predictions"]),
            whole(document["labelled"]),
            whole(document["unusable"]),
            {str(name): finite(value) for name, value in document["moments"].items()},
            {(whole(label), whole(predicted)): whole(count) for label, predicted, count in document["outcomes"]},
            tuple((finite(count), finite(scores), finite(labels)) for count, scores, labels in document["calibration"]),
            Pairs.read(document["pairs"]),
        )
        counted = 0 if measure.task is Task.NUMBER else found.used
        if not found.unusable <= found.labelled <= found.predictions or sum(found.outcomes.values()) != counted:
            raise ValueError("the counts contradict each other")
        if found.moments.keys() != measure.moments or len(found.calibration) not in {0, BINS}:
            raise ValueError("not the sums of such a model")
        return found


def whole(value: object, most: int = 2**63) -> int:
    """Return a count or a time in a record; ValueError if it is not a whole number from 0 to `most`."""
    if type(value) is not int or not 0 <= value <= most:
        raise ValueError("not a whole number from 0")
    return value


def finite(value: object) -> float:
    """Return a sum in a record; ValueError if it is not a number, or so large that adding sums would overflow."""
    if type(value) not in {int, float} or not abs(number := float(value)) <= _MOST_SUM:  # type: ignore[arg-type]
        raise ValueError("not a finite number")
    return number


def cell_of(measure: Measure, scores: NDArray[np.float32], labels: Numbers, labelled: NDArray[np.bool_]) -> Cell:
    """Return the sums over some events. They do not depend on the order of the events.

    Args:
        measure: how quality is measured.
        scores: float32 [events].
        labels: float64 [events].
        labelled: bool [events], whether there is a label.
    """
    usable = labelled & np.isfinite(scores) & fits(measure.task, labels)
    predictions, some = len(scores), int(labelled.sum())
    score, label = scores[usable], labels[usable]
    wide = score.astype(np.float64)
    unusable = some - len(score)
    match measure.task:
        case Task.NUMBER:
            return Cell(predictions, some, unusable, _errors(wide - label))
        case Task.CLASSES:
            return Cell(predictions, some, unusable, outcomes=_outcomes(label, wide))
    positive = label == 1
    return Cell(
        predictions,
        some,
        unusable,
        _losses(wide, label) if measure.probabilities else {},
        _outcomes(label, (wide >= measure.threshold).astype(np.float64)),
        _calibration(wide, label) if measure.probabilities else (),
        Pairs.of(score, positive),
    )


def _errors(error: Numbers) -> dict[str, float]:
    square = error**2
    return {
        "error": math.fsum(error),
        "absolute": math.fsum(np.abs(error)),
        "square": math.fsum(square),
        "fourth": math.fsum(square**2),
    }


def _losses(score: Numbers, label: Numbers) -> dict[str, float]:
    """Return sums of losses, of their squares and of errors; log loss is clipped as scikit-learn does."""
    tiny = np.finfo(np.float64).eps
    clipped = np.clip(score, tiny, 1 - tiny)
    log_loss = -np.log(np.where(label == 1, clipped, 1 - clipped))
    brier = (score - label) ** 2
    return {
        "log_loss": math.fsum(log_loss),
        "log_loss_square": math.fsum(log_loss**2),
        "brier": math.fsum(brier),
        "brier_square": math.fsum(brier**2),
        "error": math.fsum(score - label),
    }


def _outcomes(label: Numbers, predicted: Numbers) -> dict[tuple[int, int], int]:
    both, counts = np.unique(np.stack([label, predicted], axis=1).astype(np.int64), axis=0, return_counts=True)
    return {(int(pair[0]), int(pair[1])): int(count) for pair, count in zip(both, counts.tolist(), strict=True)}


def _calibration(score: Numbers, label: Numbers) -> tuple[tuple[float, ...], ...]:
    at = np.clip(np.floor(score * BINS), 0, BINS - 1).astype(np.int64)
    return tuple(
        (float((at == each).sum()), math.fsum(score[at == each]), math.fsum(label[at == each])) for each in range(BINS)
    )
