"""How much each column moved the score of an event, and those of many events."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scorer.batch import Outcome
from scorer.cli.shown.views import score
from scorer.cli.shown.waterfall import Bar, Waterfall, steps
from scorer.serving.serving import Serving

if TYPE_CHECKING:
    from scorer.model import Explainer

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Influence:
    """What each column contributed to the margin of one event.

    Attributes:
        prediction: the prediction as JSON.
        names: the names of the columns.
        values: what the model saw in each column, NaN where missing.
        labels: each value for people: a category by its name.
        parts: [outputs, columns + 1], the contributions; the last is the base.
        output: the output that is explained.
    """

    prediction: Mapping[str, Any]
    names: Sequence[str]
    values: Sequence[float]
    labels: Sequence[str]
    parts: NDArray[np.float64]
    output: int

    def ranked(self) -> list[int]:
        """Return the columns that contributed anything, the strongest first."""
        own = self.parts[self.output, :-1]
        return [int(column) for column in np.argsort(-np.abs(own), kind="stable") if own[column]]

    def document(self) -> Document:
        """Return everything as JSON."""
        own = self.parts[self.output]
        return {
            **{name: self.prediction[name] for name in ("event_id", "score", "model", "version")},
            "output": self.output,
            "base": float(own[-1]),
            "margin": float(own.sum()),
            "contributions": [
                {
                    "column": self.names[column],
                    "value": None if math.isnan(self.values[column]) else self.values[column],
                    "shown": self.labels[column],
                    "contribution": float(own[column]),
                }
                for column in self.ranked()
            ],
        }

    def waterfall(self, top: int) -> Waterfall:
        """Return the way from the base to the margin: the strongest columns, and the others together."""
        own, ranked = self.parts[self.output], self.ranked()
        shown = top if len(ranked) > top + 1 else len(ranked)  # a single other column takes no more room by its name
        parts = [(f"{self.names[column]} = {self.labels[column]}", float(own[column])) for column in ranked[:shown]]
        if rest := ranked[shown:]:
            parts.append((f"{len(rest)} other columns", float(own[rest].sum())))
        of_class = f", class {self.output}" if len(self.parts) > 1 else ""
        notes = [f"from {own[-1]:.4g}, the mean of training, to {own.sum():.4g}: the margin of the score{of_class}"]
        return Waterfall(
            f"{self.prediction['event_id']}  score {_score(self.prediction)}", notes, steps(own[-1], parts)
        )


@dataclass(frozen=True, slots=True)
class Unscored:
    """An event that cannot be scored.

    Attributes:
        prediction: its document, with the reason.
    """

    prediction: Mapping[str, Any]

    def document(self) -> Document:
        """Return the reason as JSON."""
        return {name: self.prediction[name] for name in ("event_id", "reason", "detail")}

    def waterfall(self, _: int) -> Waterfall:
        """Return the reason."""
        why = f"not scored: {self.prediction['reason']}: {self.prediction['detail']}"
        return Waterfall(str(self.prediction["event_id"]), [why], [])


class Influences:
    """Explains events with every column.

    Args:
        serving: the model.
        explainer: explains it.
    """

    def __init__(self, serving: Serving, explainer: "Explainer") -> None:
        self.serving, self.explainer = serving, explainer
        self._categories = [column.categories for column in serving.plan.columns]

    def of(
        self, outcome: Outcome, documents: Sequence[Document], rows: Sequence[int]
    ) -> Iterator[Influence | Unscored]:
        """Yield the influences on some rows of a batch, or why a row cannot be scored.

        Args:
            outcome: the batch.
            documents: the prediction of each row as JSON.
            rows: the rows that are asked for.
        """
        good = [row for row in rows if "reason" not in documents[row]]
        values = outcome.matrix.values[good]
        parts = dict(zip(good, self.explainer.contributions(values), strict=True)) if good else {}
        for row in rows:
            if row not in parts:
                yield Unscored(documents[row])
                continue
            seen = outcome.matrix.values[row].astype(np.float64).tolist()
            labels = [self._label(column, value) for column, value in enumerate(seen)]
            output = int(self.explainer.explained(parts[row][np.newaxis])[0])
            yield Influence(documents[row], self.serving.columns, seen, labels, parts[row], output)

    def _label(self, column: int, value: float) -> str:
        if math.isnan(value):
            return "missing"
        categories = self._categories[column]
        return str(categories[int(value)]) if categories else f"{value:.6g}"


@dataclass(frozen=True, slots=True)
class Importance:
    """How much each column moved the scores of some events on average.

    Attributes:
        influences: what explained them.
        events: how many were explained.
        rejected: how many could not be scored.
        absolute: [columns], the mean of the absolute contributions, summed over the outputs.
        mean: [columns], the mean of the contributions to the explained output.
    """

    influences: Influences
    events: int
    rejected: int
    absolute: NDArray[np.float64]
    mean: NDArray[np.float64]

    def document(self) -> Document:
        """Return everything as JSON, the most important column first."""
        bundle, whole = self.influences.serving.bundle, float(self.absolute.sum()) or 1.0
        return {
            "model": bundle.name,
            "version": bundle.version,
            "events": self.events,
            "rejected": self.rejected,
            "explained_by": self.influences.explainer.path,
            "columns": [
                {
                    "column": self.influences.serving.columns[column],
                    "mean_absolute": float(self.absolute[column]),
                    "mean": float(self.mean[column]),
                    "share": float(self.absolute[column]) / whole,
                }
                for column in np.argsort(-self.absolute, kind="stable").tolist()
            ],
        }

    def waterfall(self, top: int) -> Waterfall:
        """Return a bar for each of the most important columns."""
        columns = self.document()["columns"][:top]
        rejected = f"; {self.rejected:,} could not be scored" if self.rejected else ""
        notes = [f"mean absolute contribution to the margin over {self.events:,} events{rejected}"]
        bundle = self.influences.serving.bundle
        bars = [Bar(f"{each['column']}  {each['share']:.1%}", 0.0, each["mean_absolute"]) for each in columns]
        return Waterfall(f"{bundle.name} version {bundle.version}", notes, bars)


def importance(
    influences: Influences, found: Iterable[Influence | Unscored], show: Callable[[int], None]
) -> Importance:
    """Return the mean influence of each column.

    Args:
        influences: what explained the events.
        found: the influences on each event that can be scored.
        show: told how many events were explained so far.
    """
    absolute, mean = (np.zeros(len(influences.serving.columns)) for _ in range(2))
    events = rejected = 0
    for each in found:
        if not isinstance(each, Influence):
            rejected += 1
            continue
        absolute += np.abs(each.parts[:, :-1]).sum(axis=0)
        mean += each.parts[each.output, :-1]
        events += 1
        show(events)
    return Importance(influences, events, rejected, absolute / max(1, events), mean / max(1, events))


def _score(prediction: Mapping[str, Any]) -> str:
    given = prediction["score"]
    return given if isinstance(given, str) else score(given)
