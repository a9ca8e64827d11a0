"""Names outputs after their inputs, with the ending of the output format."""

from collections.abc import Sequence

from scorer.errors import Misconfigured, Problem
from scorer.files.inputs import Input
from scorer.files.parts import name_of_part, parts_of
from scorer.files.scoring import Task


def output_of(file: Input, form: str) -> str:
    """Return the name of a file's output: the relative path, and the ending of the format unless it has it."""
    return file.below if file.below.endswith(f".{form}") else f"{file.below}.{form}"


def tasks_of(files: Sequence[Input], form: str, rows: int | None = None) -> list[Task]:
    """Return each file, or each part of it, with the name of its output.

    Args:
        files: the files.
        form: the format of the outputs.
        rows: the least number of rows of a part; None leaves files whole.

    Raises:
        Misconfigured: two files would have the same output.
    """
    named, problems = dict[str, Task](), list[Problem]()
    for task in (task for file in files for task in _tasks(file, form, rows)):
        if task.name in named:
            what = f"{named[task.name].file.address} and {task.file.address} would both become {task.name}"
            problems.append(Problem("--input", what, "score them into different folders, or give a folder around both"))
        named[task.name] = task
    if problems:
        raise Misconfigured(problems)
    return list(named.values())


def _tasks(file: Input, form: str, rows: int | None) -> list[Task]:
    name = output_of(file, form)
    parts = parts_of(file, rows) if rows else []
    divided = [Task(file, name_of_part(name, at, form), part) for at, part in enumerate(parts)]
    return divided or [Task(file, name)]
