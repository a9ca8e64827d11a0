"""The view of a running demo: live on a terminal, otherwise a plain line every few seconds."""

import time
from collections import Counter, deque
from collections.abc import Sequence
from typing import Self

import numpy as np
from rich.console import Console, ConsoleRenderable, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from scorer.demo.stream import Stream
from scorer.demo.traffic import Watcher
from scorer.sandbox.replica import Replica

BLOCKS = " ▁▂▃▄▅▆▇█"
SPARKS = 48  # points of the throughput line
SAMPLE_SECONDS = 0.5  # between two points
RECENT_SECONDS = 1.5  # how long a selection of predictions is shown, so that it can be read
RECENT = 5
STORY = 6  # lines
WINDOW = 2000  # latest predictions, for the latency
LINE_SECONDS = 5.0  # between two plain lines
LAG_WIDTH = 24
LIKELY, UNLIKELY = 0.5, 0.2
STATES = {"ready": "green", "killed": "bold red", "starting": "yellow", "waiting": "yellow", "stopped": "dim"}


class Story:
    """The events of the demo so far, printed as they happen."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.live: Live | None = None  # while there is one, it shows the story
        self.begin = time.monotonic()
        self.lines: list[Text] = []

    @property
    def seconds(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self.begin

    def add(self, text: str, style: str = "") -> None:
        """Add a line."""
        self.lines.append(self.line(text, style))
        if self.live is None:
            self.console.print(self.lines[-1], soft_wrap=True)

    def line(self, text: str, style: str = "") -> Text:
        """Return a line with the time."""
        return Text.assemble((f"{self.seconds:5.1f} s  ", "dim"), (text, style))


class Show:
    """The view of a run, updated at each look.

    Args:
        story: the events so far.
        title: the title of the view.
        watcher: has the outcomes; its sender has the records.
        replicas: all replicas that were started; the list grows.
    """

    def __init__(self, story: Story, title: str, watcher: Watcher, replicas: Sequence[Replica]) -> None:
        self._story, self._title = story, title
        self._watcher, self._sender, self._stream = watcher, watcher.sender, watcher.sender.stream
        self.replicas = replicas
        self._rates: deque[float] = deque([0.0] * SPARKS, SPARKS)  # predictions and dead letters a second
        self._sampled = (time.monotonic(), 0)
        self._chosen: list[int] = []  # predictions shown, by their index in the watcher's lists
        self._chosen_at = self._line_at = -np.inf

    def __enter__(self) -> Self:
        """Start the live view."""
        if self._story.console.is_terminal:
            self._story.live = Live(console=self._story.console, auto_refresh=False)
            self._story.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the live view; its last state stays on the screen."""
        live, self._story.live = self._story.live, None
        if live is not None:
            live.stop()

    def look(self) -> None:
        """Show the current state."""
        now = time.monotonic()
        if now - self._sampled[0] >= SAMPLE_SECONDS:
            before, count = self._sampled
            self._rates.append((self._watcher.outcomes - count) / (now - before))
            self._sampled = (now, self._watcher.outcomes)
        if now - self._chosen_at >= RECENT_SECONDS:
            self._chosen, self._chosen_at = self._choose(), now
        if self._story.live is not None:
            self._story.live.update(self.view(), refresh=True)
        elif now - self._line_at >= LINE_SECONDS:
            self._line_at = now
            self._story.console.print(self._story.line(self._plain()), soft_wrap=True)

    def view(self) -> ConsoleRenderable:
        """Return the whole view."""
        upper = Table.grid(expand=True, padding=(0, 1))
        upper.add_column(ratio=1)
        upper.add_column(ratio=1)
        upper.add_row(_panel("Throughput and latency", self._speed()), _panel("Outcomes", self._outcomes()))
        upper.add_row(_panel("Lag by partition", self._lag()), _panel("Replicas", self._table_of_replicas()))
        story = _lines(self._story.lines[-STORY:])
        return Group(self._head(), upper, _panel("Recent predictions", self._predictions()), _panel("Story", story))

    def _head(self) -> Table:
        total = len(self._stream.values)
        head = Table.grid(expand=True, padding=(0, 1))
        head.add_column(no_wrap=True)
        head.add_column(ratio=1)
        head.add_column(no_wrap=True, justify="right")
        count = f"{self._watcher.outcomes:,} of {total:,}"
        head.add_row(Text(self._title, "bold"), ProgressBar(total, self._watcher.outcomes), count)
        return head

    def _speed(self) -> Group:
        top = max(self._rates) or 1.0
        spark = "".join(BLOCKS[round(rate / top * (len(BLOCKS) - 1))] for rate in self._rates)
        p50, p99 = self._latency()
        return Group(
            Text(spark, "cyan", no_wrap=True, overflow="crop"),
            Text.assemble((f"{self._rates[-1]:,.0f}", "bold cyan"), " events a second"),
            Text.assemble("latency  p50 ", (p50, "bold"), "  p99 ", (p99, "bold")),
        )

    def _latency(self) -> tuple[str, str]:
        waits = [wait for _, wait in self._watcher.waits[-WINDOW:]]
        if not waits:
            return "-", "-"
        p50, p99 = np.percentile(waits, (50, 99)).tolist()
        return f"{p50:,.0f} ms", f"{p99:,.0f} ms"

    def _outcomes(self) -> Table:
        rows = Table.grid(padding=(0, 2))
        rows.add_row("predictions", Text(f"{len(self._watcher.numbers):,}", "bold green"))
        reasons = Counter(reason for _, reason, _ in self._watcher.rejected)
        why = ", ".join(f"{count} {reason}" for reason, count in reasons.items())
        rows.add_row("dead letters", Text.assemble((str(reasons.total()), "bold yellow"), f"  {why}"))
        repeated = len(self._watcher.numbers) + len(self._watcher.rejected) - self._watcher.outcomes
        rows.add_row(
            "duplicates", Text.assemble((f"{repeated:,}", "bold"), "  at-least-once, after a kill" * (repeated > 0))
        )
        for version, arm, share in self._versions():
            rows.add_row(f"version {version}", Text.assemble((f"{share:.0%}", "bold"), f" as {arm}"))
        return rows

    def _versions(self) -> list[tuple[str, str, float]]:
        """Return each version, its arm and its share of the latest predictions, if there are several."""
        count = len(self._watcher.numbers)
        latest = slice(max(0, count - WINDOW), count)
        pairs = Counter(zip(self._watcher.versions[latest], self._watcher.arms[latest], strict=True))
        several = len(set(self._watcher.versions)) > 1
        return [(version, arm, number / pairs.total()) for (version, arm), number in sorted(pairs.items()) if several]

    @property
    def lags(self) -> list[int]:
        """The number of events of each partition that have neither prediction nor dead letter yet."""
        return [sent - done for sent, done in zip(self._sender.arrived, self._watcher.finished, strict=True)]

    def _lag(self) -> Table:
        lags = self.lags
        second = self._sender.rate / len(lags)  # events of one partition in a second
        scale = max(*lags, second)
        rows = Table.grid(padding=(0, 1))
        for partition, lag in enumerate(lags):
            bar = "█" * round(lag / scale * LAG_WIDTH)
            style = "red" if lag > second else "green"
            rows.add_row(Text(str(partition), "dim"), Text(f"{bar:<{LAG_WIDTH}}", style), Text(f"{lag:>7,}"))
        return rows

    def _table_of_replicas(self) -> Table:
        rows = Table.grid(padding=(0, 2))
        for replica in self.replicas:
            reads = " ".join(map(str, replica.partitions))
            rows.add_row(
                replica.name,
                Text(f"pid {replica.pid}", "dim"),
                Text(replica.state, STATES[replica.state]),
                f"partitions {reads}" if reads else "",
            )
        return rows

    def _choose(self) -> list[int]:
        """Choose some of the latest predictions: one with a missing entity, the one most likely late, and others."""
        watcher = self._watcher
        count = len(watcher.numbers)
        latest = range(max(0, count - WINDOW), count)
        odd = [at for at in latest if watcher.missing[at]][-1:]
        worst = sorted(latest, key=watcher.scores.__getitem__)[-1:]
        others = list(latest)[:: -max(1, len(latest) // RECENT)]
        return list(dict.fromkeys([*odd, *worst, *others]))[:RECENT]

    def _predictions(self) -> Text:
        return _lines([self._prediction(at) for at in self._chosen] or [Text("none yet", "dim")])

    def _prediction(self, at: int) -> Text:
        number, score, missing = (
            values[at] for values in (self._watcher.numbers, self._watcher.scores, self._watcher.missing)
        )
        style = "bold red" if score >= LIKELY else "yellow" if score >= UNLIKELY else "green"
        unknown = [name for bit, name in enumerate(self._watcher.entities) if int(missing) >> bit & 1]
        known = f" ({', '.join(unknown)} unknown)" if unknown else ""
        return Text.assemble(
            f"{describe(self._stream, int(number))}: ",
            (f"{np.clip(score, 0.01, 0.99):.0%} likely to be late", style),
            (known, "dim"),
        )

    def _plain(self) -> str:
        p50, p99 = self._latency()
        ready = sum(replica.state == "ready" for replica in self.replicas)
        return (
            f"{self._watcher.outcomes:,} of {len(self._stream.values):,} done, {self._rates[-1]:,.0f} a second, "
            f"latency p50 {p50} p99 {p99}, lag {sum(self.lags):,}, replicas ready: {ready}"
        )


def describe(stream: Stream, number: int) -> str:
    """Describe the flight of an event, such as UA 1545 EWR→IAH 05:15, plane N14228, left 2 min late."""
    flight = stream.flights.iloc[stream.flight[number]]
    clock = (np.datetime64(0, "s") + flight.local_time.to_timedelta64()).item()
    delay = flight.dep_delay
    left = f"left {abs(delay)} min {'late' if delay > 0 else 'early'}" if delay else "left on time"
    return (
        f"{flight.carrier} {flight.flight} {flight.origin}→{flight.dest} {clock:%H:%M}, plane {flight.tailnum}, {left}"
    )


def _lines(lines: Sequence[Text]) -> Text:
    """Join lines without wrapping them."""
    joined = Text("\n").join(lines)
    joined.no_wrap, joined.overflow = True, "ellipsis"
    return joined


def _panel(title: str, content: ConsoleRenderable) -> Panel:
    return Panel(content, title=title, title_align="left", border_style="dim")
