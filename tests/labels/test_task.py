"""What a model predicts, by the name of its objective in each format."""

import pytest

from scorer.labels.task import Task, gives_probabilities, task_of


@pytest.mark.parametrize(
    ("objective", "task", "probabilities"),
    [
        ("binary:logistic", Task.BINARY, True),
        ("binary:hinge", Task.BINARY, False),
        ("binary", Task.BINARY, True),
        ("multi:softprob", Task.CLASSES, False),
        ("multiclass", Task.CLASSES, False),
        ("multiclassova", Task.CLASSES, False),
        ("reg:squarederror", Task.NUMBER, False),
        ("regression", Task.NUMBER, False),
        ("cross_entropy", Task.NUMBER, False),
    ],
)
def test_the_objective_says_what_a_label_is(objective: str, task: Task, probabilities: bool) -> None:  # noqa: FBT001
    assert (task_of(objective), gives_probabilities(objective)) == (task, probabilities)
