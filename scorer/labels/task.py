"""The task of a model, which decides what labels are valid and how quality is measured."""

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

MOST_CLASSES = 1_000


class Task(StrEnum):
    """The kinds of models."""

    BINARY = "binary"  # whether something happens: labels are 0 and 1
    CLASSES = "classes"  # one of several classes: a label is the number of a class
    NUMBER = "number"  # a number: so is a label


def task_of(objective: str) -> Task:
    """Return the task of an objective, such as `binary:logistic` of XGBoost or `multiclass` of LightGBM."""
    tasks = {"binary": Task.BINARY} | dict.fromkeys(("multi", "multiclass", "multiclassova"), Task.CLASSES)
    return tasks.get(objective.partition(":")[0], Task.NUMBER)


def gives_probabilities(objective: str) -> bool:
    """Whether the scores are probabilities, so that log loss, Brier score and calibration mean something."""
    return objective in {"binary:logistic", "binary"}


def fits(task: Task, labels: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which labels a model of this kind can be compared with."""
    fit: NDArray[np.bool_] = np.abs(labels) <= np.finfo(np.float32).max  # as scores are; sums of squares stay finite
    if task is Task.BINARY:
        fit = (labels == 0) | (labels == 1)
    elif task is Task.CLASSES:
        fit = (labels >= 0) & (labels < MOST_CLASSES) & (np.floor(labels) == labels)
    return fit


def expected(task: Task) -> str:
    """Return what a label is expected to be, in words."""
    match task:
        case Task.BINARY:
            return "expected 0 or 1, or false or true"
        case Task.CLASSES:
            return f"expected the number of a class, from 0 to {MOST_CLASSES - 1}"
        case Task.NUMBER:
            return "expected a finite number that a float32 can hold, as a score is"
