"""A waterfall: how the columns of an event move its score from the mean to where it is, as text and as a picture."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.text import Text

from scorer.cli.shown.picture import Picture, box, text

WIDTH = 40  # characters of the bars on a terminal
_LABEL, _BAR, _NUMBER, _LINE = 260, 480, 90, 22  # pixels of a picture's columns and lines
_UP, _DOWN = "#d62839", "#1d6fb8"


@dataclass(frozen=True, slots=True)
class Bar:
    """One step of a waterfall: a label, and where its bar starts and ends."""

    label: str
    start: float
    end: float

    @property
    def number(self) -> str:
        """The length of the bar, with its sign."""
        return f"{self.end - self.start:+.4g}"


@dataclass(frozen=True, slots=True)
class Waterfall:
    """Steps that lead from a base to an end.

    Attributes:
        title: what is shown.
        notes: lines below the title.
        bars: the steps, each starting where the one before ends; in a list of importances they all start at 0.
    """

    title: str
    notes: Sequence[str]
    bars: Sequence[Bar]

    @property
    def limits(self) -> tuple[float, float]:
        """The least and the greatest number that a bar reaches."""
        reached = [place for bar in self.bars for place in (bar.start, bar.end)] or [0.0]
        return min(reached), max(reached)


def steps(base: float, parts: Sequence[tuple[str, float]]) -> list[Bar]:
    """Return the bars of contributions, given with their labels, from a base on."""
    bars, at = [], base
    for label, part in parts:
        bars.append(Bar(label, at, at + part))
        at += part
    return bars


def lines(waterfall: Waterfall, block: str) -> Iterator[Text]:
    """Yield the lines of a waterfall for a terminal.

    Args:
        waterfall: what to show.
        block: the character that bars are made of.
    """
    yield Text(waterfall.title, "bold")
    low, high = waterfall.limits
    scale = WIDTH / (high - low or 1.0)
    width = max((len(bar.label) for bar in waterfall.bars), default=0)
    for bar in waterfall.bars:
        left, right = sorted(((bar.start - low) * scale, (bar.end - low) * scale))
        first = min(round(left), WIDTH - 1)
        length = max(1, round(right) - first)
        drawn = Text(" " * first + block * length, "red" if bar.end > bar.start else "blue")
        drawn.pad_right(WIDTH - first - length)
        yield Text.assemble(f"  {bar.label:<{width}}  ", drawn, f"  {bar.number:>10}")
    for note in waterfall.notes:
        yield Text(f"  {note}", "dim")


def picture(waterfall: Waterfall) -> Picture:
    """Return a waterfall as a picture."""
    low, high = waterfall.limits
    scale = _BAR / (high - low or 1.0)
    shapes = [shape for line, bar in enumerate(waterfall.bars) for shape in _shapes(bar, line, low, scale)]
    height = _LINE * max(1, len(waterfall.bars))
    return Picture(waterfall.title, waterfall.notes, _LABEL + _BAR + _NUMBER, height, shapes)


def _shapes(bar: Bar, line: int, low: float, scale: float) -> Iterator[str]:
    """Yield one bar, with its label on the left and its number on the right."""
    left, right = sorted(((bar.start - low) * scale, (bar.end - low) * scale))
    top, middle = line * _LINE + 3, line * _LINE + 15
    yield text(_LABEL - 8, middle, bar.label, "end")
    yield box(_LABEL + left, top, max(1.0, right - left), _LINE - 6, _UP if bar.end > bar.start else _DOWN)
    yield text(_LABEL + _BAR + 8, middle, bar.number)
