"""Checks what must hold after any run, from the acknowledged inputs and the records that can be read afterwards.

Nothing here knows Kafka or a replica: a `History` is plain data, so that each finding is tested on one made by hand.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple

Place = tuple[int, int]  # partition and offset of an input
SHOWN = 3  # the number of examples shown for each finding


class Output(NamedTuple):
    """A prediction or a dead letter in its topic."""

    dead: bool
    partition: int
    offset: int
    source: Place
    uid: str
    model: str
    score: float  # NaN for a dead letter


class Sample(NamedTuple):
    """The group's committed offsets at one time, and the ends of the outputs a little later."""

    committed: Mapping[int, int]  # by source partition
    ends: Mapping[
        tuple[bool, int], int
    ]  # by (dead, partition), including records that read_committed consumers do not see


class Kind(StrEnum):
    """The kinds of errors."""

    LOST = "lost"
    BOTH = "prediction and dead letter"
    STRANGER = "output of no input"
    REPEATED = "repeated"
    UNLIKE = "unlike its first"
    REORDERED = "reordered"
    WRONG = "wrong"
    AHEAD = "commit ahead of output"
    BACK = "commit went back"


@dataclass(frozen=True)
class History:
    """One run.

    Args:
        acknowledged: the number of each acknowledged input, from the ledger.
        inputs: the number of each input in its topic; more than were acknowledged if brokers were unavailable.
        scores: the independent score of each input that is an event; the others must become dead letters.
        model: name and version of all predictions.
        outputs: what a reader of committed data sees, each partition in its order.
        samples: taken while it ran, in the order of time.
        repeats_allowed: how many outputs there may be more than once; 0 under exactly-once.
        refusals: for each time in which writes were refused, the offsets by partition that may have been published
            then. A refused write is retried after those that were in flight behind it. Empty under exactly-once.
    """

    acknowledged: Mapping[Place, int]
    inputs: Mapping[Place, int]
    scores: Mapping[Place, float]
    model: str
    outputs: Sequence[Output]
    samples: Sequence[Sample] = field(default_factory=tuple)
    repeats_allowed: int = 0
    refusals: Sequence[Mapping[int, range]] = ()

    @cached_property
    def copies(self) -> Mapping[Place, list[Output]]:
        """The outputs of each input, first to last."""
        copies: dict[Place, list[Output]] = defaultdict(list)
        for output in self.outputs:
            copies[output.source].append(output)
        return copies

    @property
    def repeated(self) -> int:
        """Return the number of repeated outputs."""
        return len(self.outputs) - len(self.copies)


def uid(number: int) -> str:
    """Return the id of the input with this number."""
    return f"payment-{number}"


def check(history: History) -> dict[Kind, list[str]]:
    """Return all errors of a run."""
    found: dict[Kind, list[str]] = defaultdict(list)
    for search in (_lost, _strangers, _repeats, _reordered, _wrong, _commits):
        for kind, what in search(history):
            found[kind].append(what)
    return dict(found)


def tell(found: Mapping[Kind, Sequence[str]]) -> str:
    """Return findings as text, with some examples of each."""
    return "\n".join(f"{len(each)} x {kind}: {'; '.join(each[:SHOWN])}" for kind, each in found.items())


Findings = Iterator[tuple[Kind, str]]


def _lost(history: History) -> Findings:
    for place, number in history.acknowledged.items():
        if history.inputs.get(place) != number:
            yield Kind.LOST, f"input {number} at {place} was acknowledged and is not in its topic"
    for place in history.acknowledged.keys() | history.inputs.keys():
        if place not in history.copies:
            yield Kind.LOST, f"the input at {place} has neither prediction nor dead letter"


def _strangers(history: History) -> Findings:
    for output in history.outputs:
        number = history.inputs.get(output.source)
        if number is None or output.uid != uid(number):
            yield Kind.STRANGER, f"{output}: the input there is {number}"


def _repeats(history: History) -> Findings:
    if history.repeated > history.repeats_allowed:
        yield Kind.REPEATED, f"{history.repeated} outputs, where {history.repeats_allowed} may be"
    for first, *repeats in history.copies.values():
        for repeat in repeats:
            if repeat.dead != first.dead:
                yield Kind.BOTH, f"{repeat} and {first}"
            elif (repeat.partition, repeat.model) != (first.partition, first.model) or not _same(repeat, first.score):
                yield Kind.UNLIKE, f"{repeat} repeats {first}"


def _reordered(history: History) -> Findings:
    """Check that first occurrences ascend. Repeats after a fault start further back, and are ignored."""
    excused = {(at, offset) for each in history.refusals for at, offsets in each.items() for offset in offsets}
    last: dict[tuple[bool, int, int], int] = {}
    seen: set[Place] = set()
    for output in history.outputs:
        if output.source in seen:
            continue
        seen.add(output.source)
        source, offset = output.source
        before = last.get((output.dead, output.partition, source), -1)
        if offset < before and output.source not in excused:
            yield Kind.REORDERED, f"{output} comes after that of {(source, before)}"
        last[output.dead, output.partition, source] = max(before, offset)


def _wrong(history: History) -> Findings:
    for output in history.outputs:
        expected = history.scores.get(output.source)
        if output.dead != (expected is None):
            yield Kind.WRONG, f"{output} of an input that is {'no event' if expected is None else 'an event'}"
        elif expected is not None and (output.model != history.model or not _same(output, expected)):
            yield Kind.WRONG, f"{output}, where {history.model} says {expected}"


def _commits(history: History) -> Findings:
    """Check that committed inputs were written: their outputs are below the ends that were read after the commit."""
    checked: dict[int, int] = defaultdict(int)
    for number, sample in enumerate(history.samples):
        for partition, committed in sample.committed.items():
            if committed < checked[partition]:
                yield Kind.BACK, f"of partition {partition} from {checked[partition]} to {committed} (sample {number})"
            for offset in range(checked[partition], committed):
                copies = history.copies.get((partition, offset), ())
                if not any(copy.offset < sample.ends[copy.dead, copy.partition] for copy in copies):
                    yield Kind.AHEAD, f"{committed} of partition {partition} before {offset} was written ({number})"
            checked[partition] = max(checked[partition], committed)


def _same(output: Output, score: float) -> bool:
    return output.dead or output.score == score
