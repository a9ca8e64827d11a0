"""The guess for a column: its source in the plan, or the reason why it is left open."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from scorer.model import Booster

Category = str | int


@dataclass(frozen=True, slots=True)
class Wanted:
    """A column of the model.

    name:        its name.
    named:       whether the model knows the name; otherwise it is only a number.
    categories:  those that the model keeps, in the order of their codes; empty if it keeps none.
    categorical: whether the model takes it for a category.
    splits:      the thresholds at which the trees divide it, ascending.
    """

    name: str
    named: bool = True
    categories: tuple[Category, ...] = ()
    categorical: bool = False
    splits: tuple[float, ...] = ()

    @property
    def whole_splits(self) -> bool:
        """Whether each threshold lies at a whole number or in the middle of two, as for whole numbers."""
        return all(float(2 * split).is_integer() for split in self.splits)


@dataclass(frozen=True, slots=True)
class Source:
    """The keys of a column in the plan, next to its name; None where it has not this key."""

    event: str | None = None
    part: str | None = None
    categories: tuple[Category, ...] = ()
    entity: str | None = None
    field: str | None = None
    expression: str | None = None

    def __str__(self) -> str:
        """As a person would say it."""
        if self.entity is not None:
            return f"{self.entity}.{self.field}"
        if self.expression is not None:
            return self.expression
        return f"{self.part} of {self.event}" if self.part else str(self.event)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A possible source of a column.

    why:     how it was found.
    near:    how near the names are: 3 the same, 2 the same in another style or with the owner's, 1 the end of one.
    sure:    whether names are equal to the letter, or values confirm it.
    against: the objection to it; empty without one.
    todo:    what the user has to add to it; empty if it is complete.
    """

    source: Source
    why: str
    near: int = 1
    sure: bool = False
    against: str = ""
    todo: str = ""

    def refuted(self, against: str) -> "Candidate":
        """Return the candidate with an objection, unless it has one already."""
        return replace(self, against=self.against or against)


@dataclass(frozen=True, slots=True)
class Guess:
    """The guess for one column.

    source:     its source in the plan; None or incomplete if it is open.
    open:       why it is left open; empty if it is placed.
    why:        how the source was found.
    near:       see `Candidate`.
    sure:       see `Candidate`.
    candidates: the sources to choose from if it is open.
    """

    wanted: Wanted
    source: Source | None
    why: str = ""
    near: int = 1
    sure: bool = False
    open: str = ""
    candidates: Sequence[str] = field(default=())

    @property
    def confidence(self) -> str:
        """`high`, `good`, or `open`."""
        return "open" if self.open else "high" if self.sure else "good"


def wanted_columns(booster: Booster, names: Sequence[str] = ()) -> list[Wanted]:
    """Return the columns of a model, in its order.

    Args:
        booster: the model.
        names: names for its columns, if it has none of its own.
    """
    splits, types = booster.splits(), booster.feature_types
    given = booster.names or (names if len(names) == booster.columns else None)
    names = given or [f"f{number}" for number in range(booster.columns)]
    return [
        Wanted(
            name,
            given is not None,
            booster.categories[at] if at < len(booster.categories) else (),
            types is not None and types[at] == "c",
            splits[at],
        )
        for at, name in enumerate(names)
    ]
