"""`scorer drift`: which columns of the stream are not what the model was trained with."""

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from math import inf
from typing import Any

from rich.text import Text

from scorer.cli.lifecycle import options
from scorer.cli.shown.console import console
from scorer.drift import Board, report
from scorer.errors import Misconfigured, Problem
from scorer.group.drifting import rules_of
from scorer.kafka import MonitorTopic
from scorer.model import repository_at
from scorer.security.printable import printable_json
from scorer.settings import Settings

LOOK_SECONDS = 1.0  # between two looks with --watch
BAR, SHADES = 10, "▁▂▃▄▅▆▇█"  # the width of a bar, which is full at the limit
NOTED = 0.01  # a change of a share that is worth saying
SHOWN = 20  # columns that are shown in full, if the others do not drift
_SOURCES = {"bundle": "of the model", "stream": "the first events of the stream: the model has none of its own"}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    options.add_config(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON document; with --watch, one a window")
    parser.add_argument("--watch", action="store_true", help="show every window as it ends, until Ctrl-C")
    parser.add_argument("--all", action="store_true", help=f"show all columns, not only the first {SHOWN}")


def run(args: argparse.Namespace) -> int:
    """Show the last window of the group, whether replicas run or not.

    Raises:
        Misconfigured: there is no monitor topic.
        Unavailable: the brokers do not answer.
        Fatal: the topic is missing.
    """
    settings = options.load(args).settings
    if settings.monitor.topic is None:
        raise Misconfigured([Problem("monitor.topic", "missing", "expected the topic to which replicas publish")])
    board = Board(rules_of(settings.monitor))
    model = repository_at(settings.model.path).name
    with closing(MonitorTopic(settings.kafka, settings.monitor.topic, model, [board])) as topic:
        for _ in _looks(topic, board, watch=args.watch):
            document = {"model": model, "group": settings.kafka.group_id} | report(board)
            if args.json:
                sys.stdout.write(printable_json(document, indent=None if args.watch else 2) + "\n")
                sys.stdout.flush()
            else:
                _show(settings, document, everything=args.all)
    return 0


def _looks(topic: MonitorTopic, board: Board, *, watch: bool) -> Iterator[None]:
    """Read to the end; with `watch`, also yield each time when a window has ended."""
    topic.read()
    yield
    while watch:
        before = board.windows[-1:]
        topic.wait(LOOK_SECONDS)
        if board.windows[-1:] != before:
            yield


def _show(settings: Settings, document: dict[str, Any], *, everything: bool) -> None:
    show = console(stderr=False).print
    for line in _lines(settings, document, everything=everything):
        show(line)


def _lines(settings: Settings, document: dict[str, Any], *, everything: bool) -> Iterator[Text]:
    baseline, window, counted = document["baseline"], document["window"], document["counted"]
    yield Text(f"group {document['group']}, model {document['model']}", "bold")
    if baseline is None:
        what = "no replica has told a baseline yet" if counted["events"] else "no replica has told anything yet"
        yield Text(f"{what}: {counted['events']:,} events counted", "yellow")
        return
    yield Text(f"baseline {baseline['id'][:8]}, {baseline['rows']:,} rows, {_SOURCES[baseline['source']]}", "dim")
    if window is None:
        full = settings.monitor.window.events
        yield Text(f"no window has ended yet: {document['filled']:,} events of {full:,}", "yellow")
        return
    ended = datetime.fromtimestamp(window["ended"]).astimezone().isoformat(" ", "seconds")
    took = max(0.0, window["ended"] - window["began"])
    yield Text(
        f"window {window['number']:,}: {window['events']:,} events in {took:.0f} s until {ended} "
        f"({_ago(window['ended'])}), against {window['reference'].replace('-', ' ')}"
    )
    if counted["uncounted"]:
        what = "offsets that nobody counted: a replica was killed before it could tell"
        yield Text(f"{counted['events']:,} events counted, {counted['uncounted']:,} {what}", "yellow")
    yield from _table(document["columns"], everything=everything)
    for arm in document["arms"] if len(document["arms"]) > 1 else []:
        psi = max(each["psi"] for each in arm["scores"])
        limit = max(each["limit"] or 0.0 for each in arm["scores"])
        yield Text(f"arm {arm['arm']}: {arm['events']:,} events, PSI of its scores {psi:.4f}, limit {limit:.4f}", "dim")


def _table(columns: list[dict[str, Any]], *, everything: bool) -> Iterator[Text]:
    chosen = [each for at, each in enumerate(columns) if everything or at < SHOWN or each["since"] or each["above"]]
    width = max([len("COLUMN"), *(len(each["name"]) for each in chosen)])
    yield Text(f"{'COLUMN':{width}}     PSI   LIMIT  {'OF LIMIT':{BAR}}  WINDOWS   MISSING  WHAT CHANGED", "dim")
    for each in chosen:
        style = "red" if each["since"] else "yellow" if each["above"] else ""
        most = each["limit"] or inf
        limit = f"{most:7.4f}" if each["limit"] else "      -"
        yield Text.assemble(
            (f"{each['name']:{width}} {each['psi']:7.4f} {limit}  ", style),
            (_bar(each["psi"] / most), style or "cyan"),
            (f"  {_spark(each['history'][-8:], most)}  ", "dim"),
            (f"{each['missing']:7.1%}  {_changed(each)}", style),
        )
    if left := len(columns) - len(chosen):
        yield Text(f"and {left} more below their limits; --all shows them", "dim")
    drifting = [each["name"] for each in columns if each["since"]]
    yield Text(
        f"{len(drifting)} of {len(columns)} drift: {', '.join(drifting)}" if drifting else "no column drifts",
        "bold red" if drifting else "green",
    )


def _changed(column: dict[str, Any]) -> str:
    """Describe the change of a column; empty if it is too small to mention."""
    before, parts = column["baseline"], list[str]()
    if column["since"]:
        parts.append(f"drifts since {datetime.fromtimestamp(column['since']).astimezone():%H:%M:%S}")
    for name in ("missing", "unknown"):
        if abs(column[name] - before[name]) > NOTED or (column["since"] and column[name] != before[name]):
            parts.append(f"{name} {before[name]:.1%} -> {column[name]:.1%}")
    if column["outside"] > NOTED / 10:
        parts.append(f"{column['outside']:.1%} out of range")
    if (column["above"] or column["since"]) and column["quantiles"] and before["quantiles"]:
        was, now = (" ".join(f"{each:.4g}" for each in of) for of in (before["quantiles"], column["quantiles"]))
        parts.append(f"10/50/90% {was} -> {now}")
    return ", ".join(parts)


def _bar(share: float) -> str:
    full = min(BAR, round(share * BAR))
    return "█" * full + "·" * (BAR - full)


def _spark(history: list[float], limit: float) -> str:
    heights = [min(len(SHADES) - 1, round(psi / limit * (len(SHADES) - 1))) for psi in history]
    return "".join(SHADES[each] for each in heights).rjust(8)


def _ago(seconds: float) -> str:
    passed = max(0.0, time.time() - seconds)
    for unit, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if passed >= 2 * length:
            return f"{passed / length:.0f} {unit} ago"
    return f"{passed:.0f} s ago"
