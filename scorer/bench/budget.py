"""Microseconds of an event in each stage of a replica, from what its /metrics says at two moments."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from prometheus_client.parser import text_string_to_metric_families

from scorer.monitor.stages import OUTSIDE, REST, STAGES

ROWS = (*STAGES, REST, OUTSIDE)
MILLION = 1e6

Labels = frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Reading:
    """What /metrics said at a moment.

    samples: by name and labels.
    """

    samples: Mapping[tuple[str, Labels], float]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text of /metrics; an empty one is that of a replica that has not begun."""
        families = text_string_to_metric_families(text)
        samples = (sample for family in families for sample in family.samples)
        return cls({(sample.name, frozenset(sample.labels.items())): sample.value for sample in samples})

    def value(self, name: str, **labels: str) -> float:
        """Return one sample, 0 where it is not there."""
        return self.samples.get((name, frozenset(labels.items())), 0.0)

    @property
    def begun(self) -> int:
        """Events of the batches that have passed through all stages."""
        return int(self.value("scorer_batch_records_sum"))

    @property
    def done(self) -> int:
        """Events whose prediction or dead letter the brokers have."""
        outcomes = ("predicted", "dead_letter")
        return int(sum(self.value("scorer_records_total", outcome=outcome) for outcome in outcomes))

    @property
    def hits(self) -> float | None:
        """The share of look-ups that found features, of all entities; None where nothing was looked up."""
        found = {labels: rows for (name, labels), rows in self.samples.items() if name == "scorer_features_total"}
        total = sum(found.values())
        return sum(rows for labels, rows in found.items() if ("result", "hit") in labels) / total if total else None


@dataclass(frozen=True, slots=True)
class Budget:
    """Where the time of a backlog went: microseconds an event by stage, in the order of ROWS.

    cpu:  of the processor.
    wall: by the clock; 0 for what is outside the loop.
    """

    events: int
    cpu: Mapping[str, float]
    wall: Mapping[str, float]

    @classmethod
    def between(cls, before: Reading, after: Reading) -> Self:
        """Return the budget of the batches between two readings of which the second has more."""
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
        """Processor microseconds an event, of the whole process."""
        return sum(self.cpu.values())

    @property
    def all_wall(self) -> float:
        """Microseconds an event by the clock: one replica does a million divided by it in a second."""
        return sum(self.wall.values())

    @property
    def limit(self) -> str:
        """The stage that takes most by the clock, and so limits how much one replica does."""
        return max(STAGES, key=lambda stage: self.wall[stage])

    def document(self) -> dict[str, object]:
        """Return it as plain JSON."""
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
