"""The summary of a demo: a document for machines, a panel for people."""

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from rich.console import Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from scorer.demo.course import Happened
from scorer.demo.proof import Verdict


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds from an event's sending to its first prediction on the broker.

    p50, p99, max: of all events, including those that waited for the replacement.
    p50_before_kill, p99_before_kill: of the events that had their prediction before the kill; None without one.
    """

    p50: float | None
    p99: float | None
    max: float | None
    p50_before_kill: float | None
    p99_before_kill: float | None

    @classmethod
    def of(cls, waits: NDArray[np.int64], before: NDArray[np.int64] | None) -> "Latency":
        """Return the latency of all events, and of those that had their prediction before the kill."""
        own = (None, None) if before is None else _percentiles(before, 50, 99)
        return cls(*_percentiles(waits, 50, 99, 100), *own)


@dataclass(frozen=True, slots=True)
class Summary:
    """The summary of a demo; `auc` compares these predictions with the real delays."""

    verdict: Verdict
    events_per_second: float
    latency_ms: Latency
    auc: float | None
    replicas: int
    happened: Happened
    kafka: str
    redis: str
    model: str
    seconds: float

    def document(self) -> dict[str, object]:
        """Return the summary as one JSON document, with the verdict's fields at the top level."""
        document = asdict(self)
        return {**document.pop("verdict"), self.happened.name: document.pop("happened"), **document}

    @property
    def passed(self) -> bool:
        """Whether every record has its expected outcome, and everything happened that was to happen."""
        return self.verdict.passed and not self.happened.missing

    def panel(self) -> Panel:
        """Return the summary for people."""
        verdict, latency = self.verdict, self.latency_ms
        rows = Table.grid(padding=(0, 2))
        rows.add_row(
            "events", f"{verdict.events:,}, {self.events_per_second:,.0f} a second through {self.replicas} replicas"
        )
        rows.add_row("predictions", f"{verdict.predictions:,}, {verdict.duplicates:,} of them duplicates")
        rows.add_row("dead letters", f"{verdict.dead_letters}, for records damaged on purpose")
        if latency.p50_before_kill is not None:
            rows.add_row("latency", f"{_spread(latency.p50_before_kill, latency.p99_before_kill)} before the kill")
        label = "latency" if latency.p50_before_kill is None else ""
        rows.add_row(label, f"{_spread(latency.p50, latency.p99)}, max {_number(latency.max)} ms overall")
        for title, text in self.happened.rows():
            rows.add_row(title, text)
        quality = "unknown" if self.auc is None else f"{self.auc:.4f}"
        rows.add_row("AUC", f"{quality} on these flights; the model was trained on January to August only")
        rows.add_row("lost", _zero(verdict.lost))
        rows.add_row("wrong", _zero(verdict.wrong))
        conclusion = (
            Text("Proved: each prediction equals booster.predict offline, bit for bit.", "bold green")
            if self.passed
            else Text("Not proved:\n" + "\n".join([*verdict.examples, *self.happened.missing]), "bold red")
        )
        title = f"{self.model} on {self.kafka} and {self.redis}, {self.seconds:.0f} s"
        return Panel(Group(rows, Text(), conclusion), title=title, title_align="left")


def _percentiles(values: NDArray[np.int64], *percents: int) -> list[float | None]:
    return np.percentile(values, percents).tolist() if len(values) else [None] * len(percents)


def _spread(p50: float | None, p99: float | None) -> str:
    return f"p50 {_number(p50)} ms, p99 {_number(p99)} ms"


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:,.0f}"


def _zero(count: int) -> Text:
    return Text(f"{count:,}", "bold red" if count else "bold green")
