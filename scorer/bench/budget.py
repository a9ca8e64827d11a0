"""Microseconds per event in each stage of a replica, from two scrapes of its /metrics."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from prometheus_client.parser import text_string_to_metric_families

from scorer.monitor.stages import OUTSIDE, REST, STAGES

ROWS = (*STAGES, REST, OUTSIDE)
MILLION = 1e6

Labels = frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Scrape:
    """One scrape of /metrics.

    samples: the values, by name and labels.
    """

    samples: Mapping[tuple[str, Labels], float]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse the text of /metrics; an empty text is that of a replica that has not started."""
        families = text_string_to_metric_families(text)
        samples = (sample for family in families for sample in family.samples)
        return cls({(sample.name, frozenset(sample.labels.items())): sample.value for sample in samples})

    def value(self, name: str, **labels: str) -> float:
        """Return one sample; 0 if it is absent."""
        return self.samples.get((name, frozenset(labels.items())), 0.0)

    @property
    def begun(self) -> int:
        """The number of events in batches that have passed through all stages."""
        return int(self.value("scorer_batch_records_sum"))

    @property
    def done(self) -> int:
        """The number of events whose prediction or dead letter is acknowledged."""
        outcomes = ("predicted", "dead_letter")
        return int(sum(self.value("scorer_records_total", outcome=outcome) for outcome in outcomes))

    @property
    def hits(self) -> float | None:
        """The share of look-ups of all entities that found features; None without look-ups."""
        found = {labels: rows for (name, labels), rows in self.samples.items() if name == "scorer_features_total"}
        total = sum(found.values())
        return sum(rows for labels, rows in found.items() if ("result", "hit") in labels) / total if total else None


@dataclass(frozen=True, slots=True)
class Budget:
    """Where the time of a backlog went: microseconds per event by stage, in the order of ROWS.

    cpu:  CPU time.
    wall: wall time; 0 for threads outside the loop.
    """

    events: int
    cpu: Mapping[str, float]
    wall: Mapping[str, float]

    @classmethod
    def between(cls, before: Scrape, after: Scrape) -> Self:
        """Return the budget of the batches between two scrapes."""
        events = after.begun - before.begun

        def spent(name: str, stage: str) -> float:
            return MILLION * (after.value(name, stage=stage) - before.value(name, stage=stage)) / events

        return cls(
            events,
            {stage: spent("scorer_stage_cpu_seconds_total", stage) for stage in ROWS},
            {stage: spent("scorer_stage_seconds_sum", stage) for stage in ROWS},
        )

    @property
    def all_cpu(self) -> float:
        """CPU microseconds per event of the whole process."""
        return sum(self.cpu.values())

    @property
    def all_wall(self) -> float:
        """Wall microseconds per event: one replica scores a million divided by this in a second."""
        return sum(self.wall.values())

    @property
    def limit(self) -> str:
        """The stage with the most wall time, which is the bottleneck of a replica."""
        return max(STAGES, key=lambda stage: self.wall[stage])

    def document(self) -> dict[str, object]:
        """Return the budget as plain JSON."""
        stages = {stage: {"cpu_us": _round(self.cpu[stage]), "wall_us": _round(self.wall[stage])} for stage in ROWS}
        return {
            "measured_events": self.events,
            "events_per_second": round(MILLION / self.all_wall),
            "cpu_us": _round(self.all_cpu),
            "wall_us": _round(self.all_wall),
            "limit": self.limit,
            "stages": stages,
        }


def _round(microseconds: float) -> float:
    return round(microseconds, 3)
