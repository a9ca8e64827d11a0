"""The document of a group as a screen of a terminal, from 80 columns on, and as a line of a pipe."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import ConsoleRenderable, Group
from rich.table import Table
from rich.text import Text

from scorer.page.view import Document
from scorer.security.printable import printable

BLOCKS = "▁▂▃▄▅▆▇█"
STATES = {"ok": "green", "warn": "yellow", "bad": "bold red", "unknown": "dim"}
OF_REPLICAS = {
    "running": ("running", "green"),
    "waiting": ("not ready", "yellow"),
    "gone": ("gone", "bold red"),
    "replaced": ("replaced", "dim"),
}
MARKS = {"ok": "●", "warn": "▲", "bad": "◆", "unknown": "○"}
LEAST_WIDTH = 80
PARTITIONS, ROWS = 8, 5  # lines of a part
BAR, SMALL = 20, 12
MILLION = 1e6
MILLISECONDS_MATTER = 0.01  # below it, a latency is shown with a digit more


def screen(document: Document, width: int, height: int | None = None) -> ConsoleRenderable:
    """Return the whole group.

    Args:
        document: the group, with its series.
        width: columns of the terminal; what is narrower is cut off.
        height: lines of the terminal; None if there is no limit.
    """
    wide = max(width, LEAST_WIDTH)
    parts = [
        _head(document, wide),
        _speed(document, wide),
        _replicas(document),
        _partitions(document),
        _arms(document),
        _drift(document),
        _quality(document),
        _letters(document),
        _notes(document),
    ]
    lines: list[ConsoleRenderable] = []
    used = 0
    for part in parts:
        if part is None:
            continue
        tall = part.row_count + 1 if isinstance(part, Table) else part.plain.count("\n") + 1
        if height is not None and used + tall + bool(lines) > height - 1:
            break
        lines += [Text(""), part] if lines else [part]
        used += tall + (len(lines) > 1)
    return Group(*lines)


def line(document: Document) -> str:
    """Return the group in one line."""
    latency, rate = document["latency"], document["rates"]["events"]
    parts = [
        datetime.fromtimestamp(document["time"], UTC).strftime("%H:%M:%S"),
        printable(document["group"]),
        f"{_number(rate)} events/s",
        f"p50 {_latency(latency['p50'])} p99 {_latency(latency['p99'])}",
        f"lag {_number(document['lag'])}",
        printable(document["health"]["words"]),
    ]
    return "  ".join(parts)


def sparkline(values: Sequence[float | None], points: int, least: float = 0.0) -> str:
    """Return a line of blocks, in which each point is the mean of its share of the values.

    Args:
        values: the values; a point is blank where none is known.
        points: how many blocks, padded at the left.
        least: what the highest block is at least.
    """
    recent = list(values)[-(len(values) // points or 1) * points :]
    step = max(1, len(recent) // points)
    means = [_mean([each for each in recent[at : at + step] if each is not None]) for at in range(0, len(recent), step)]
    top = max((mean for mean in means if mean is not None), default=0.0)
    top = max(top, least) or 1.0
    shown = "".join(" " if mean is None else BLOCKS[round(mean / top * (len(BLOCKS) - 1))] for mean in means[-points:])
    return shown.rjust(points)


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _head(document: Document, width: int) -> Text:
    health = document["health"]
    name = f"{printable(document['group'])} · {printable(document['model'])}"
    words = f"{MARKS[health['state']]} {printable(health['words'])}"
    if len(name) + len(words) + 2 > width:
        return _text((name, "bold"), "\n", (words[:width], STATES[health["state"]]))
    return _text((name, "bold"), " " * (width - len(name) - len(words)), (words, STATES[health["state"]]))


def _speed(document: Document, width: int) -> Text:
    points = document["series"]["points"]
    latency = document["latency"]
    room = min(60, width - 34)
    return _text(
        (f"{_number(document['rates']['events']):>9}", "bold cyan"),
        " events/s        ",
        (sparkline([each[1] for each in points], room), "cyan"),
        "\n",
        (f"{_latency(latency['p50']):>9}", "bold"),
        " p50  ",
        (f"{_latency(latency['p99']):>7}", "bold"),
        " p99 ",
        (sparkline([each[3] for each in points], room), "magenta"),
        "\n",
        (f"{_number(document['lag']):>9}", "bold"),
        " lag             ",
        (sparkline([each[4] for each in points], room), "yellow"),
    )


def _replicas(document: Document) -> Table | None:
    rows = document["replicas"]
    if not rows:
        return None
    table = _table(("REPLICA", 24), ("STATE", 24), ("EVENTS/S", 0), ("LAG", 0), ("PART.", 0), ("CPU", 0))
    for each in sorted(rows, key=lambda row: row["state"] == "running")[:ROWS]:
        words, style = OF_REPLICAS[each["state"]]
        why = f": {each['why']}" if each["why"] else ""
        cpu = "-" if each["cpu"] is None else f"{each['cpu']:.0%}"
        table.add_row(
            printable(each["name"]),
            Text(printable(words + why), style),
            *(_number(each[name]) for name in ("events", "lag")),
            str(len(each["partitions"])),
            cpu,
        )
    _more(table, len(rows), "replicas")
    return table


def _partitions(document: Document) -> Table | None:
    rows = document["partitions"]
    if not rows:
        return None
    most = max(*(each["lag"] for each in rows), 1)
    table = _table(("PARTITION", 30), ("", BAR), ("LAG", 0), ("REPLICA", 18))
    for each in sorted(rows, key=lambda row: (-row["lag"], row["topic"], row["partition"]))[:PARTITIONS]:
        bar = "█" * round(each["lag"] / most * BAR)
        owner = Text(printable(each["replica"])) if each["replica"] else Text("nobody", "bold red")
        table.add_row(
            f"{printable(each['topic'])}-{each['partition']}", Text(bar, "green"), _number(each["lag"]), owner
        )
    _more(table, len(rows), "partitions", PARTITIONS)
    return table


def _arms(document: Document) -> Table | None:
    rows = document["arms"]
    if not rows:
        return None
    table = _table(("ARM", 18), ("VERSION", 18), ("", BAR), ("SHARE", 0), ("EVENTS/S", 0))
    for each in rows[:ROWS]:
        share = each["share"] or 0.0
        shown = "-" if each["share"] is None else f"{share:.1%}"
        bar = Text("█" * round(share * BAR), "cyan")
        table.add_row(printable(each["name"]), printable(each["version"]), bar, shown, _number(each["rate"]))
    _more(table, len(rows), "arms")
    return table


def _drift(document: Document) -> Table | None:
    drift = document["drift"]
    if not drift or not drift["windows"]:
        return None
    columns = sorted(enumerate(drift["columns"]), key=lambda each: (not each[1]["alarm"], -_of_limit(drift, each[0])))
    table = _table(("COLUMN", 30), ("LAST WINDOWS", BAR), ("PSI", 0), ("LIMIT", 0), ("", 8))
    for at, column in columns[:ROWS]:
        line = sparkline([each["psi"][at] for each in drift["windows"]], BAR, column["limit"] or 0.0)
        state = Text("drifts", "bold red") if column["alarm"] else Text("steady", "dim")
        style = "red" if column["alarm"] else "blue"
        limit = "-" if column["limit"] is None else f"{column['limit']:.3f}"
        psi = f"{drift['windows'][-1]['psi'][at]:.3f}"
        table.add_row(printable(column["name"]), Text(line, style), psi, limit, state)
    _more(table, len(columns), "columns")
    return table


def _of_limit(drift: Document, column: int) -> float:
    """Return the PSI of the newest window as a share of its limit; 0 if there is no limit."""
    psi, limit = drift["windows"][-1]["psi"][column], drift["columns"][column]["limit"]
    return float(psi / limit) if limit else 0.0


def _quality(document: Document) -> Table | None:
    quality = document["quality"]
    if not quality or not quality["metrics"]:
        return None
    texts = (("QUALITY", 12), ("VERSION", 10), ("ARM", 10))
    table = _table(*texts, ("VALUE", 0), ("95% INTERVAL", 0), ("LABELS", 0), ("", SMALL))
    for each in quality["metrics"][:ROWS]:
        interval = "-" if each["low"] is None else f"{each['low']:.4f} to {each['high']:.4f}"
        value = "-" if each["value"] is None else f"{each['value']:.4f}"
        names = (printable(each[name]) for name in ("metric", "version", "arm"))
        by_window = Text(sparkline(each["history"], SMALL) if each["history"] else "", "green")
        table.add_row(*names, value, interval, _number(each["count"]), by_window)
    _more(table, len(quality["metrics"]), "figures")
    return table


def _letters(document: Document) -> Table | None:
    rows = document["dead_letters"]
    if not rows:
        return None
    table = _table(("DEAD LETTERS", 18), ("COUNT", 0), ("NEWEST", 40))
    for each in rows[:ROWS]:
        reason, place = (printable(each[name]) for name in ("reason", "place"))
        table.add_row(Text(reason, "yellow"), _number(each["count"]), place or "-")
    _more(table, len(rows), "reasons")
    return table


def _notes(document: Document) -> Text | None:
    lacking = [name for name in ("replicas", "drift", "quality") if not document[name] and name in document["notes"]]
    said: dict[str, list[str]] = {}
    for name in lacking:
        said.setdefault(document["notes"][name], []).append(name)
    lines = [f"no {', '.join(names)}: {note.replace('`', '')}" for note, names in said.items()]
    return Text("\n".join(lines), "dim") if lines else None


def _table(*columns: tuple[str, int]) -> Table:
    """Return a table; a column of width 0 has numbers."""
    table = Table(box=None, padding=(0, 1), pad_edge=False, header_style="dim", show_edge=False)
    for title, width in columns:
        justify: Any = "left" if width else "right"
        table.add_column(title, justify=justify, no_wrap=True, overflow="ellipsis", max_width=width or None)
    return table


def _more(table: Table, rows: int, what: str, shown: int = ROWS) -> None:
    if rows > shown:
        table.add_row(Text(f"and {rows - shown} more {what}", "dim"))


def _text(*pieces: str | tuple[str, str]) -> Text:
    text = Text.assemble(*pieces)
    text.no_wrap, text.overflow = True, "crop"
    return text


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    if value >= 10 * MILLION:
        return f"{value / MILLION:,.0f} M"
    return f"{value:,.1f}" if value % 1 and value < 10 else f"{value:,.0f}"  # noqa: PLR2004  a digit more where it tells


def _latency(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    if seconds >= 1:
        return f"{seconds:,.1f} s"
    return f"{1000 * seconds:,.1f} ms" if seconds < MILLISECONDS_MATTER else f"{1000 * seconds:,.0f} ms"
