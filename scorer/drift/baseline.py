"""The baseline: the distributions of a model's columns and scores in training, against which drift is measured."""

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from scorer.batch import ScoreArray
from scorer.documents.faults import Fault, faults
from scorer.documents.files import read_bytes
from scorer.drift.bins import MOST_CODES, NUMBER, Bins, Rows, Scratch, count
from scorer.errors import Misconfigured, Problem

MOST_BYTES = 64_000_000  # the largest file that is read
QUANTILES = np.arange(1, 10) / 10
LEAST_ROWS = 100
Source = Literal["bundle", "stream"]

_MOST_COLUMNS, _MOST_EDGES, _MOST_ROWS = 10_000, 100, 2**53


@dataclass(frozen=True, slots=True)
class Profile:
    """The distribution of one column, or of one output of the model.

    name:    the column's name; outputs are `score`, or `score[0]` and so on, or `@score` if a column is `score`.
    least:   the minimum of a column of numbers; NaN if every value is missing.
    most:    its maximum, likewise.
    edges:   for numbers: the upper bounds of all inner bins except the last, ascending.
    counts:  the number of rows in each inner bin, or of each category code.
    missing: the number of rows without a value.
    unknown: for categories: the number of rows with a category that the model does not have.
    codes:   the number of categories, or NUMBER.
    """

    name: str
    counts: tuple[int, ...]
    missing: int
    unknown: int = 0
    edges: tuple[float, ...] = ()
    least: float = np.nan
    most: float = np.nan
    codes: int = NUMBER

    @property
    def is_number(self) -> bool:
        """Whether the column has numbers rather than categories."""
        return self.codes == NUMBER

    @property
    def bins(self) -> tuple[int, ...]:
        """The rows of every bin, as `Bins` has them."""
        if self.is_number:
            return (0, *self.counts, 0, self.missing)
        return (*self.counts, self.missing, self.unknown)


class Layout:
    """The bins of some columns, one column after the other.

    Args:
        profiles: the columns.

    Attributes:
        bins: for the kernel.
        counts: int64 [bins], the rows of the baseline.
    """

    def __init__(self, profiles: Sequence[Profile]) -> None:
        self.profiles = tuple(profiles)
        self.names = tuple(each.name for each in profiles)
        sizes = [len(each.bins) for each in profiles]
        edges = [len(each.edges) for each in profiles]
        self.bins = Bins(
            starts=np.array([0, *accumulate(sizes)], np.int64),
            categories=np.array([each.codes for each in profiles], np.int64),
            edges=np.array([edge for each in profiles for edge in each.edges], np.float32),
            edge_starts=np.array([0, *accumulate(edges)], np.int64),
            least=np.array([each.least for each in profiles], np.float32),
            most=np.array([each.most for each in profiles], np.float32),
        )
        self.counts = np.array([rows for each in profiles for rows in each.bins], np.int64)

    def __len__(self) -> int:
        return int(self.bins.starts[-1])

    @cached_property
    def missing(self) -> NDArray[np.int64]:
        """[columns]: the bin of missing values."""
        return self._ends - np.where(self._numbers, 1, 2)

    @cached_property
    def unknown(self) -> NDArray[np.int64]:
        """[columns]: the bin of unknown categories; that of missing values in a column of numbers."""
        return self._ends - 1

    def of(self, counts: NDArray[np.int64], column: int) -> NDArray[np.int64]:
        """Return the counts of one column, of [bins]."""
        return counts[self.bins.starts[column] : self.bins.starts[column + 1]]

    def outside(self, counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how many values of each column [columns] are below the minimum or above the maximum."""
        first, last = self.bins.starts[:-1], np.maximum(self._ends - 2, 0)
        return np.where(self._numbers, counts[first] + counts[last], 0)

    def unknowns(self, counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how many values of each column [columns] are unknown categories."""
        return np.where(self._numbers, 0, counts[self.unknown])

    @cached_property
    def _numbers(self) -> NDArray[np.bool_]:
        numbers: NDArray[np.bool_] = self.bins.categories == NUMBER
        return numbers

    @cached_property
    def _ends(self) -> NDArray[np.int64]:
        return self.bins.starts[1:]


@dataclass(frozen=True)
class Baseline:
    """The reference against which drift is measured.

    rows:    the number of rows from which it was made.
    source:  `bundle` if it came with the model; `stream` if it was made from the first events of the stream.
    columns: the distributions of the model's columns, in order.
    scores:  the distributions of its outputs.
    """

    rows: int
    source: Source
    columns: tuple[Profile, ...]
    scores: tuple[Profile, ...]

    @cached_property
    def id(self) -> str:
        """The baseline's unique name."""
        return hashlib.sha256(self.text().encode()).hexdigest()[:16]

    @cached_property
    def layout(self) -> Layout:
        """The bins of the columns."""
        return Layout(self.columns)

    @cached_property
    def score_layout(self) -> Layout:
        """The bins of the scores."""
        return Layout(self.scores)

    def document(self) -> dict[str, object]:
        """Return the baseline as plain JSON."""
        columns, scores = ([_document(each) for each in of] for of in (self.columns, self.scores))
        return {"form": 1, "rows": self.rows, "source": self.source, "columns": columns, "scores": scores}

    def text(self) -> str:
        """Return the text of its file, with a line for each column."""
        lines = {
            part: ",\n  ".join(json.dumps(_document(each)) for each in of)
            for part, of in (("columns", self.columns), ("scores", self.scores))
        }
        head = f'{{"form": 1, "rows": {self.rows}, "source": "{self.source}",'
        return f'{head}\n "columns": [\n  {lines["columns"]}],\n "scores": [\n  {lines["scores"]}]}}\n'


def make_baseline(
    columns: Mapping[str, int], values: NDArray[np.float32], scores: ScoreArray, source: Source = "bundle"
) -> Baseline:
    """Make a baseline of rows as the model sees them.

    Args:
        columns: the model's columns in order, each with the number of its categories, or NUMBER.
        values: float32 [rows, columns], NaN where missing.
        scores: [rows] or [rows, outputs]; float64 is rounded to float32.
        source: where they came from.
    """
    outputs = scores.reshape(len(values), -1).astype(np.float32)
    return Baseline(
        len(values),
        source,
        tuple(_profiles(columns, values)),
        tuple(_profiles(dict.fromkeys(score_names(outputs.shape[1], columns), NUMBER), outputs)),
    )


def score_names(outputs: int, columns: Collection[str]) -> list[str]:
    """Return the names of a model's outputs, which differ from those of its columns."""
    name = "score"
    while any(column.partition("[")[0] == name for column in columns):
        name = f"@{name}"
    return [name] if outputs == 1 else [f"{name}[{number}]" for number in range(outputs)]


def counted(layout: Layout, values: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the counts [bins] of rows, float32 [rows, columns]."""
    values = np.ascontiguousarray(values)
    every = np.arange(len(values))
    counts = np.zeros((1, len(layout)), np.int32)
    rows = Rows(values, values.view(np.uint32), every, np.zeros(len(values), np.int32))
    count(rows, layout.bins, Scratch.of(len(values)), counts)
    found: NDArray[np.int64] = counts[0].astype(np.int64)
    return found


def _profiles(columns: Mapping[str, int], values: NDArray[np.float32]) -> Iterator[Profile]:
    empty = [_empty(name, codes, values[:, at]) for at, (name, codes) in enumerate(columns.items())]
    layout = Layout(empty)
    counts = counted(layout, values)
    for at, each in enumerate(empty):
        mine = layout.of(counts, at).tolist()
        if each.is_number:
            yield Profile(each.name, tuple(mine[1:-2]), mine[-1], 0, each.edges, each.least, each.most)
        else:
            yield Profile(each.name, tuple(mine[:-2]), mine[-2], mine[-1], codes=each.codes)


def _empty(name: str, codes: int, values: NDArray[np.float32]) -> Profile:
    """Return a profile with the right bins, and nothing in them."""
    if codes != NUMBER:
        return Profile(name, (0,) * min(codes, MOST_CODES), 0, codes=codes)
    there = values[~np.isnan(values)]
    if not len(there):
        return Profile(name, (0,), 0)
    least, most = float(there.min()), float(there.max())
    found, times = np.unique(np.quantile(there, QUANTILES, method="inverted_cdf"), return_counts=True)
    frequent = found[times > 1]  # each gets a bin of its own, which begins just below it
    edges = np.union1d(found, np.nextafter(frequent, np.float32(-np.inf), dtype=np.float32))
    inner = tuple(edges[(edges >= least) & (edges < most)].tolist())
    return Profile(name, (0,) * (len(inner) + 1), 0, 0, inner, least, most)


def _document(profile: Profile) -> dict[str, object]:
    if not profile.is_number:
        found = {"categories": profile.codes, "counts": list(profile.counts)}
        return {"name": profile.name, **found, "missing": profile.missing, "unknown": profile.unknown}
    ends = [None if np.isnan(each) else each for each in (profile.least, profile.most)]
    found = {"range": ends, "edges": list(profile.edges), "counts": list(profile.counts)}
    return {"name": profile.name, **found, "missing": profile.missing}


_Count = Annotated[int, Field(ge=0, le=_MOST_ROWS)]
_MOST_SINGLE = float(np.finfo(np.float32).max)
_Single = Annotated[float, Field(allow_inf_nan=False, ge=-_MOST_SINGLE, le=_MOST_SINGLE)]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class _ProfileForm(_Strict):
    name: Annotated[str, Field(min_length=1, max_length=1_000)]
    counts: Annotated[list[_Count], Field(min_length=1, max_length=MOST_CODES)]
    missing: _Count
    unknown: _Count = 0
    range: Annotated[list[_Single | None], Field(min_length=2, max_length=2)] = [None, None]
    edges: Annotated[list[_Single], Field(max_length=_MOST_EDGES)] = []
    categories: Annotated[int, Field(ge=1, le=2**24)] | None = None


class _Form(_Strict):
    form: Literal[1]
    rows: Annotated[int, Field(ge=1, le=_MOST_ROWS)]
    source: Source
    columns: Annotated[list[_ProfileForm], Field(min_length=1, max_length=_MOST_COLUMNS)]
    scores: Annotated[list[_ProfileForm], Field(min_length=1, max_length=_MOST_COLUMNS)]


def parse_baseline(document: object, where: str = "baseline.json") -> Baseline:
    """Check a baseline.

    Args:
        document: parsed JSON.
        where: the name of its file, for errors.

    Raises:
        Misconfigured: it is not a baseline, with every reason.
    """
    try:
        form = _Form.model_validate(document)
    except ValidationError as error:
        found = [_worded(fault) for fault in faults(error, _Form)]
        raise Misconfigured([Problem(where, what, _MAKE) for what in found]) from error
    problems = []
    for each in (*form.columns, *form.scores):
        problems += [Problem(where, f"'{each.name}': {what}", _MAKE) for what in _contradictions(each, form.rows)]
    names = [each.name for each in form.columns]
    problems += [Problem(where, f"'{name}' is there twice", _MAKE) for name in {n for n in names if names.count(n) > 1}]
    if problems:
        raise Misconfigured(problems)
    return Baseline(form.rows, form.source, *(tuple(map(_profile, of)) for of in (form.columns, form.scores)))


def read_baseline(file: Path) -> Baseline:
    """Read a baseline.

    Raises:
        Misconfigured: it cannot be read, or is not a baseline.
    """
    try:
        document = json.loads(read_bytes(file, MOST_BYTES))
    except OSError as error:
        raise Misconfigured([Problem(str(file), f"cannot be read: {error.strerror}")]) from error
    except (ValueError, RecursionError) as error:
        raise Misconfigured([Problem(str(file), f"is not JSON: {error}", _MAKE)]) from error
    return parse_baseline(document, str(file))


def baseline_problems(baseline: Baseline, columns: Mapping[str, int], outputs: int, where: str) -> list[Problem]:
    """Return how a baseline differs from the model and its plan.

    Args:
        baseline: the baseline.
        columns: the model's columns in order, each with the number of its categories, or NUMBER.
        outputs: how many scores an event gets.
        where: the name of its file, for errors.
    """
    found = {each.name: each.codes for each in baseline.columns}
    if tuple(found) != tuple(columns):
        wrong = [name for name in {*found, *columns} if (name in found) != (name in columns)]
        what = f"columns {', '.join(sorted(wrong))}" if wrong else "the order of the columns"
        return [Problem(where, f"is of another plan: it differs in {what}", _MAKE)]
    problems = [
        Problem(where, f"'{name}' has {_kind(found[name])}, in the plan {_kind(codes)}", _MAKE)
        for name, codes in columns.items()
        if found[name] != codes
    ]
    if len(baseline.scores) != outputs:
        problems.append(Problem(where, f"has {len(baseline.scores)} outputs, the model {outputs}", _MAKE))
    return problems


_MAKE = "make it with `scorer models add --baseline FILE`"


def _kind(codes: int) -> str:
    return "numbers" if codes == NUMBER else f"{codes} categories"


def _contradictions(form: _ProfileForm, rows: int) -> Iterator[str]:
    total = sum(form.counts) + form.missing + form.unknown
    if total != rows:
        yield f"the bins have {total} rows of {rows}"
    if form.categories is None:
        yield from _not_numbers(form)
    elif form.edges or form.range != [None, None]:
        yield "has both categories and numbers"
    elif len(form.counts) != min(form.categories, MOST_CODES):
        yield f"has {len(form.counts)} counts for {form.categories} categories"


def _not_numbers(form: _ProfileForm) -> Iterator[str]:
    least, most = form.range
    if (least is None) != (most is None) or (least is None and (form.edges or sum(form.counts))):
        yield "has numbers without a range"
    if len(form.counts) != len(form.edges) + 1:
        yield f"has {len(form.counts)} counts for {len(form.edges)} edges"
    if any(np.float32(low) >= np.float32(high) for low, high in pairwise(form.edges)):
        yield "has edges that do not ascend"
    if least is not None and most is not None and not all(least <= each < most for each in form.edges):
        yield "has edges out of its range"
    if least is not None and most is not None and least > most:
        yield "has a range that ends before it begins"
    if form.unknown:
        yield "has unknown categories, and none known"


def _profile(form: _ProfileForm) -> Profile:
    if form.categories is not None:
        return Profile(form.name, tuple(form.counts), form.missing, form.unknown, codes=form.categories)
    least, most = (np.nan if each is None else each for each in form.range)
    return Profile(form.name, tuple(form.counts), form.missing, 0, tuple(form.edges), least, most)


def _worded(fault: Fault) -> str:
    at = ".".join(map(str, fault.path))
    if fault.missing:
        return f"{at or 'the document'} has no '{fault.missing}'"
    if fault.unknown:
        return f"{at or 'the document'} has an unknown key '{fault.unknown}'"
    return f"{at or 'the document'}: {fault.reason or fault.expected or 'is not as expected'}"
