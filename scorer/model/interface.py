"""The interface of a loaded model, whatever its format. Other rooms use models only through it."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorer.batch import Scores
from scorer.errors import Problem
from scorer.model.learned.categories import Categories, Given, category_concerns, compare_categories
from scorer.model.learned.column_names import compare_names
from scorer.model.learned.divisions import Division
from scorer.model.learned.rounds import Boosted
from scorer.model.learned.splits import Thresholds

COMPILED = "compiled"  # the path of a model whose trees are compiled

Rows = NDArray[np.float32]
Contributions = NDArray[np.float64]  # [rows, outputs, columns + 1]; the last is the base, which is the same in all rows


class Explainer(ABC):
    """Explains the margins of one model. The contributions of all columns and the base add up to the margin.

    Attributes:
        path: `compiled`, or the slower way that is used instead, and why.
        bytes: the memory that the tables take; 0 without tables.
        concern: a warning if explaining is slow, otherwise empty.
        of_classes: whether there is an output for each class.
    """

    path: str
    bytes: int
    concern: str
    of_classes: bool

    @abstractmethod
    def contributions(self, matrix: Rows) -> Contributions:
        """Return the contribution of each column of each row to the margin of each output.

        Args:
            matrix: [rows, columns], NaN where missing, no infinities.

        Returns:
            float64 [rows, outputs, columns + 1]; the last is the base: the mean margin of the training rows.
        """

    def explained(self, contributions: Contributions) -> NDArray[np.intp]:
        """Return the output [rows] that explains a prediction: the most likely class, or the first output."""
        if not self.of_classes:
            return np.zeros(len(contributions), np.intp)
        likeliest: NDArray[np.intp] = contributions.sum(axis=2).argmax(axis=1)
        return likeliest


class Booster(ABC):
    """A loaded model. It scores on the caller's thread alone: the group scales by replicas, not threads.

    Attributes:
        names: the features' names in order, or None if the model has none.
        columns: how many features a row has.
        objective: the objective's name, such as `binary:logistic`.
        booster_kind: how its trees were grown, such as gbtree, or the kind of a model without trees.
        classes: how many numbers a score has.
        feature_types: XGBoost's feature types, with "c" for categorical, or None if the model has none.
        trees: how many trees score, 0 for a model without trees.
        rounds: which rounds score.
        categories: the categories of each feature, in the order of their codes; empty if the model does not keep them.
        path: `compiled`, or the library that scores instead, and why.
        numbers: the type of the scores.
        library: the name of the library whose scores it gives.
    """

    library: str
    numbers: type[np.floating[Any]] = np.float32
    names: tuple[str, ...] | None
    columns: int
    objective: str
    booster_kind: str
    classes: int
    feature_types: tuple[str, ...] | None
    trees: int
    rounds: Boosted
    categories: tuple[Categories, ...]
    path: str

    def score(self, matrix: Rows) -> Scores:
        """Score rows; each score is that of the model's own library for the same row, bit for bit, whatever the batch.

        A score that is not finite is kept: it is the model's answer.

        Args:
            matrix: [rows, columns], NaN where missing, no infinities (the matrix rejects them).

        Returns:
            Values [rows], or [rows, classes]; NaN in rows that the model refuses even on their own.

        Raises:
            Fatal: if the model fails even on the row that it scored when it was loaded.
        """
        if matrix.shape[1] != self.columns:
            raise ValueError(f"{matrix.shape[1]} columns for a model of {self.columns}")
        return self._score(matrix)

    @abstractmethod
    def _score(self, matrix: Rows) -> Scores:
        """Score rows of as many columns as the model has; see `score`."""

    @abstractmethod
    def splits(self) -> list[Thresholds]:
        """Return the thresholds at which the trees divide each column, ascending; none for a model without trees."""

    @abstractmethod
    def gains(self) -> NDArray[np.float64]:
        """Return the sum of the gains of the splits on each column [columns]; zeros for a model without trees."""

    def divisions(self) -> list[Division]:
        """Return how each split divided the rows of training; none for a model that does not keep it."""
        return []

    def weights(self, matrix: Rows, trees: int) -> NDArray[np.float64] | None:  # noqa: ARG002  most models do not tell
        """Return how much rows weigh in training as each of the first trees grows; None if equally, or if not known.

        Args:
            matrix: rows as for `score`.
            trees:  how many, at most.

        Returns:
            Weights [trees, rows], in proportion to those of the same tree.
        """
        return None

    @abstractmethod
    def explainer(self, most_bytes: int) -> Explainer:
        """Return the explainer of this model. The first call builds it, which may take seconds.

        Args:
            most_bytes: the most memory that its tables may take.

        Raises:
            Misconfigured: this model is not explained.
        """

    @property
    @abstractmethod
    def checks(self) -> list[str]:
        """What was checked while it was loaded."""

    @property
    @abstractmethod
    def slow(self) -> str:
        """A warning if there is a much faster way to score such a model, otherwise empty."""

    @abstractmethod
    def _unproven(self, given: Sequence[Given]) -> str:
        """Return a warning about properties that only golden events can prove; empty if there are none."""

    @property
    def compiled(self) -> bool:
        """Whether compiled trees score; otherwise a library does."""
        return self.path == COMPILED

    def confirm(self, matrix: Rows) -> None:  # noqa: B027  most models have nothing to compare with
        """Compare the compiled trees with the model's library on the given rows; if they differ, stop using them.

        Args:
            matrix: rows as for `score`.
        """

    def problems(self, names: Sequence[str]) -> list[Problem]:
        """Return every difference between the columns of a plan and those of the model.

        Args:
            names: the plan's column names, in order.
        """
        return compare_names(self.columns, self.names, names)

    def category_problems(self, given: Sequence[Given]) -> list[Problem]:
        """Return a problem for each column of a plan whose categories are not those of the model.

        Args:
            given: the plan's columns, in order.
        """
        return compare_categories(self.categories, self.names, given)

    def concerns(self, given: Sequence[Given], *, proven: bool) -> list[str]:
        """Return warnings about things that work but may surprise.

        Args:
            given: the plan's columns, in order.
            proven: whether golden events prove the scores.
        """
        found = [self.rounds.concern, *category_concerns(self.categories, self.names, given)]
        if not proven:
            found.append(self._unproven(given))
        return [concern for concern in found if concern]
