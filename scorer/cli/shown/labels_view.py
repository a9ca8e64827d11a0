"""The quality of a model as a document, and as tables for people."""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console

from scorer.cli.shown.table import aligned
from scorer.labels.account import Account, total
from scorer.labels.cells import Cell, Key
from scorer.labels.figures import Estimate, difference, figures
from scorer.labels.task import Task

BARS = "▁▂▃▄▅▆▇█"
LEADING = {Task.BINARY: "auc", Task.CLASSES: "accuracy", Task.NUMBER: "rmse"}  # drawn over the windows
Document = dict[str, Any]


def answer(model: str, windows: Sequence[Account]) -> Document:
    """Return the quality over some windows.

    Args:
        model: the model's name.
        windows: the total of each, in the order of time.
    """
    whole = total(windows)
    if whole is None:
        return {"model": model, "windows": 0, "arms": [], "segments": [], "differences": [], "history": []}
    arms = [key for key in whole.cells if not key.field]
    return {
        "model": model,
        "windows": len(windows),
        "from": _moment(windows[0].start),
        "to": _moment(windows[-1].start),
        "waiting": sum(not window.closed for window in windows),
        "task": whole.measure.task.value,
        "threshold": whole.measure.threshold,
        "never_labelled": sum(map(_unlabelled, (window for window in windows if window.closed))),
        "waiting_for_labels": sum(map(_unlabelled, (window for window in windows if not window.closed))),
        "without_prediction": whole.unmatched,
        "bad_labels": {
            reason: {"count": bad.count, "example": bad.example} for reason, bad in sorted(whole.bad.items())
        },
        "arms": [_cell(whole, key) for key in arms],
        "segments": [_cell(whole, key) for key in whole.cells if key.field],
        "differences": _differences(whole, arms),
        "history": [{"start": _moment(window.start), "closed": window.closed,
                     "arms": [_cell(window, key) for key in window.cells if not key.field]} for window in windows],
    }  # fmt: skip


def show(document: Document, console: Console) -> None:
    """Print the quality for people."""
    if not document["windows"]:
        console.print(f"nobody has told the quality of {document['model']} yet: `scorer labels run` does")
        return
    windows = f"windows from {document['from']} to {document['to']}: {document['windows']}"
    console.print(f"{document['model']}, {windows}, of which waiting for labels: {document['waiting']}")
    leading = LEADING[Task(document["task"])]
    for each in document["arms"]:
        history = [_value(_find(window["arms"], each), leading) for window in document["history"]]
        console.print()
        console.print(f"{_named(each)}  {leading} {sparkline(history)}", style="bold")
        console.print("\n".join(_measures(each["metrics"])))
    for each in document["differences"]:
        console.print()
        console.print(f"{_named(each)} minus {each['than']['arm']} {each['than']['version']}", style="bold")
        console.print("\n".join(_measures(each["metrics"])))
    if document["segments"]:
        console.print()
        console.print("\n".join(_segments(document["segments"], leading)))
    console.print()
    console.print("\n".join(_labels(document)))


def sparkline(values: Sequence[float]) -> str:
    """Draw numbers as bars from the smallest to the largest; a space where there is none."""
    known = [value for value in values if not math.isnan(value)]
    low, high = min(known, default=0.0), max(known, default=0.0)
    height = (high - low) or 1.0
    return "".join(
        " " if math.isnan(value) else BARS[round((value - low) / height * (len(BARS) - 1))] for value in values
    )


def _unlabelled(window: Account) -> int:
    return sum(cell.predictions - cell.labelled for key, cell in window.cells.items() if not key.field)


def _cell(account: Account, key: Key) -> Document:
    cell, of_segment = account.cells[key], {"field": key.field, "value": key.value} if key.field else {}
    return {
        "version": key.version,
        "arm": key.arm,
        **of_segment,
        "predictions": cell.predictions,
        "labelled": cell.labelled,
        "unlabelled": cell.predictions - cell.labelled,
        "unusable": cell.unusable,
        "metrics": _documents(figures(account.measure, cell)),
        **({"calibration": _calibration(cell)} if cell.calibration and not key.field else {}),
    }


def _calibration(cell: Cell) -> list[Document]:
    """Return for each bin that has scores their mean, and the share of positives."""
    return [
        {"events": int(count), "score": scores / count, "positives": labels / count}
        for count, scores, labels in cell.calibration
        if count
    ]


def _differences(whole: Account, arms: Sequence[Key]) -> list[Document]:
    """Compare each arm with the champion."""
    champion = next((key for key in arms if key.arm == "champion"), None)
    found = []
    for key in arms:
        if champion is None or key == champion:
            continue
        ours, theirs = (figures(whole.measure, whole.cells[each]) for each in (key, champion))
        apart = {name: difference(ours[name], theirs[name]) for name in ours if name in theirs}
        than = {"version": champion.version, "arm": champion.arm}
        found.append({"version": key.version, "arm": key.arm, "than": than, "metrics": _documents(apart)})
    return found


def _documents(estimates: Mapping[str, Estimate]) -> Document:
    return {
        name: {"value": each.value, "low": _known(each.low), "high": _known(each.high), "error": each.error}
        for name, each in estimates.items()
    }


def _known(number: float) -> float | None:
    return None if math.isnan(number) else number


def _measures(metrics: Mapping[str, Document]) -> list[str]:
    rows = [(f"  {name}", _digits(each["value"]), _interval(each)) for name, each in metrics.items()]
    return aligned(("  METRIC", "VALUE", "95% INTERVAL"), rows)


def _interval(estimate: Document) -> str:
    if estimate["low"] is None or estimate["high"] is None:
        return "-"
    text = f"{_digits(estimate['low'])} to {_digits(estimate['high'])}"
    return f"{text}, counted within {estimate['error']:.1g}" if estimate["error"] else text


def _segments(segments: Sequence[Document], leading: str) -> list[str]:
    rows = [
        (
            each["field"],
            each["value"],
            f"{each['arm']} {each['version']}",
            each["labelled"],
            _digits(each["metrics"][leading]["value"]) if leading in each["metrics"] else "-",
            _interval(each["metrics"][leading]) if leading in each["metrics"] else "-",
        )
        for each in segments
    ]
    return aligned(("SEGMENT", "VALUE", "ARM", "LABELLED", leading.upper(), "95% INTERVAL"), rows)


def _labels(document: Document) -> list[str]:
    predictions = sum(each["predictions"] for each in document["arms"])
    labelled = sum(each["labelled"] for each in document["arms"])
    lines = [f"{labelled:,} of {predictions:,} predictions have a label"]
    if document["never_labelled"]:
        lines.append(f"{document['never_labelled']:,} never got one within labels.horizon_hours")
    if unusable := sum(each["unusable"] for each in document["arms"]):
        lines.append(f"{unusable:,} have a label, but a score that is not a finite number")
    if document["without_prediction"]:
        lines.append(f"{document['without_prediction']:,} labels have no prediction")
    for reason, bad in document["bad_labels"].items():
        lines.append(f"{bad['count']:,} labels cannot be used: {reason}, such as {bad['example']}")
    return lines


def _find(arms: Sequence[Document], wanted: Document) -> Document | None:
    return next((each for each in arms if _named(each) == _named(wanted)), None)


def _value(arm: Document | None, name: str) -> float:
    return float(arm["metrics"][name]["value"]) if arm and name in arm["metrics"] else math.nan


def _named(arm: Document) -> str:
    return f"{arm['arm']} {arm['version']}"


def _digits(number: float) -> str:
    return f"{number:.4f}"


def _moment(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="minutes").replace("+00:00", "Z")
