"""Objects of frozen dataclasses that are made quickly."""

from dataclasses import dataclass, field, replace

from scorer.made_often import made_often


@made_often
@dataclass(frozen=True, slots=True)
class Point:
    """A point with a name and notes."""

    x: int
    y: int = 2
    notes: list[str] = field(default_factory=list)


def test_arguments_and_defaults_are_those_of_the_class() -> None:
    assert Point(1) == Point(1, 2, []) == Point(y=2, x=1)
    assert repr(replace(Point(1), y=5)) == "Point(x=1, y=5, notes=[])"


def test_each_object_has_a_default_of_its_own() -> None:
    assert Point(1).notes is not Point(1).notes


def test_python_assigns_no_field_by_a_call() -> None:
    assert Point.__setattr__ is object.__setattr__
    assert not hasattr(Point(1), "__dict__")
