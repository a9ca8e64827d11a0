"""The totals of a run, which add up whatever the order and the number of its parts."""

from collections import Counter
from dataclasses import dataclass, field, fields
from typing import Any, Self


@dataclass(slots=True)
class Totals:
    """What was done and found."""

    mutants: int = 0
    accepted: int = 0
    compared: int = 0  # with fastavro and the strict reference
    repeated: int = 0  # decoded again in another order
    families: int = 0
    seconds: float = 0.0
    slowest: float = 0.0  # seconds of one batch
    peak: int = 0  # bytes by which a process grew
    verdicts: Counter[str] = field(default_factory=Counter)
    modes: Counter[str] = field(default_factory=Counter)
    edits: Counter[str] = field(default_factory=Counter)
    disagreements: Counter[str] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)

    def add(self, other: "Totals") -> None:
        """Add the totals of another part."""
        for name in ("mutants", "accepted", "compared", "repeated", "families", "seconds"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.slowest, self.peak = max(self.slowest, other.slowest), max(self.peak, other.peak)
        for name in ("verdicts", "modes", "edits", "disagreements"):
            getattr(self, name).update(getattr(other, name))
        self.findings += other.findings

    def to_json(self) -> dict[str, Any]:
        """Return them as JSON has them."""
        found = {each.name: getattr(self, each.name) for each in fields(self)}
        return {key: dict(value) if isinstance(value, Counter) else value for key, value in found.items()}

    @classmethod
    def of_json(cls, read: dict[str, Any]) -> Self:
        """Return them from JSON."""
        found: dict[str, Any] = {key: Counter(each) if isinstance(each, dict) else each for key, each in read.items()}
        return cls(**found)
