"""One chunk of a run: families of schemas from a seed, and batches of mutants of their events."""

import json
import random
import resource
import sys
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from scorer.avro import Schema
from scorer.avro.decode.rejection import reason_of
from scorer.avro.program.reading import Fault
from scorer.batch import NO_TIME, NO_TOPIC, Kind, Reason, Records
from tests.fuzz.decoding import Decoded, Watched
from tests.fuzz.families import Family, family
from tests.fuzz.modes import MODES, Mode
from tests.fuzz.mutations import EDIT, Choices, Edit, Mutants, choices, mutants, pooled
from tests.fuzz.oracle import Finding, Mutant, Oracle
from tests.fuzz.totals import Totals

BATCHES = 2  # of each mode of a family
FAMILY = BATCHES * sum(mode.rows for mode in MODES)  # mutants
AGAIN = 8  # one batch of so many is decoded again in another order
MOST_FINDINGS = 5
# How often each edit is made, in the order of Edit; there is no NONE.
_WEIGHTS = np.array([0, 8, 1, 4, 6, 1, 1, 2, 0.7, 0.5])


def run(seed: int, number: int, families: int, share: int) -> Totals:
    """Decode the mutants of some families, and compare a share of them with the oracles.

    Args:
        seed: of the run.
        number: of the chunk.
        families: how many.
        share: one mutant of so many is compared.
    """
    totals, began = Totals(), perf_counter()
    grown = _peak()
    source = random.Random(f"{seed}/{number}")  # noqa: S311  no secrets
    numbers = np.random.default_rng([seed, number])
    for index in range(families):
        try:
            _family(family(source), numbers, share, totals)
        except Finding as finding:
            totals.findings.append(f"chunk {number}, family {index}: {finding}")
        if len(totals.findings) >= MOST_FINDINGS:
            break
        totals.families += 1
    totals.seconds, totals.peak = perf_counter() - began, _peak() - grown
    return totals


def _peak() -> int:
    """Return the most memory that this process had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _family(made: Family, numbers: np.random.Generator, share: int, totals: Totals) -> None:
    schema, oracle = Schema.parse(json.dumps(made.reader), "reader.avsc"), Oracle(made)
    for each in MODES:
        mode = each(made, schema)
        _Run(mode, oracle, Watched(schema, made.used, mode.framing), numbers, share, totals).run()


class _Run:
    """The batches of one mode of a family."""

    def __init__(  # noqa: PLR0913, PLR0917  what a batch is made of, and where it is counted
        self, mode: Mode, oracle: Oracle, decoder: Watched, numbers: np.random.Generator, share: int, totals: Totals
    ) -> None:
        self._mode, self._oracle, self._decoder = mode, oracle, decoder
        self._numbers, self._share, self._totals = numbers, share, totals
        bodies = [(writer, body) for writer in mode.writers for body in mode.family.writers[writer].bodies]
        self._writers = np.array([writer for writer, _ in bodies])
        self._pool = pooled([mode.prefix(writer) + body for writer, body in bodies])

    def run(self) -> None:
        weights = _WEIGHTS / _WEIGHTS.sum()
        for _ in range(BATCHES):
            rows = self._mode.rows
            chosen = choices(self._numbers, rows, len(self._writers), weights)
            made = mutants(self._pool, chosen, self._mode.width)
            self._mode.begin(self._numbers, self._writers[chosen.values[:, 0]].tolist())
            began = perf_counter()
            decoded = self._decoder.watch(records(made, np.arange(rows)))
            self._totals.slowest = max(self._totals.slowest, perf_counter() - began)
            self._count(decoded, chosen)
            whole(decoded)
            if self._numbers.integers(AGAIN) == 0:
                self._again(made, decoded)
            for row in range(int(self._numbers.integers(self._share)), rows, self._share):
                self._compare(made, decoded, row)

    def _count(self, decoded: Decoded, chosen: Choices) -> None:
        totals, faults = self._totals, np.bincount(-decoded.faults)
        totals.mutants += len(decoded.faults)
        totals.modes[self._mode.name] += len(decoded.faults)
        totals.accepted += int(faults[0])
        totals.verdicts.update({Fault(-each).name: int(faults[each]) for each in range(1, len(faults)) if faults[each]})
        made = np.bincount(chosen.edits[:, :, EDIT].ravel(), minlength=len(Edit))
        totals.edits.update({edit.name: int(made[edit]) for edit in Edit if edit != Edit.NONE})

    def _again(self, made: Mutants, decoded: Decoded) -> None:
        """Decode the same values in another order, in which they must become the same."""
        order = self._numbers.permutation(len(decoded.faults))
        again = self._decoder.watch(records(_ordered(made, order), order))
        self._totals.repeated += len(order)
        if not np.array_equal(decoded.faults[order], again.faults):
            raise Finding("another order of the rows has other verdicts")
        for path, column in decoded.events.columns.items():
            other = again.events.columns[path]
            if not np.array_equal(column.null[order], other.null):
                raise Finding(f"{path}: another order of the rows has other nulls")
            there = ~other.null
            if column.field.kind not in {Kind.TEXT, Kind.BYTES} and not np.array_equal(
                column.values.view(np.int64)[order][there], other.values.view(np.int64)[there]
            ):
                raise Finding(f"{path}: another order of the rows has other values")

    def _compare(self, made: Mutants, decoded: Decoded, row: int) -> None:
        value = made.data[made.ends[row - 1] if row else 0 : made.ends[row]].tobytes()
        opened = self._mode.opened(row, value)
        fault = Fault(decoded.faults[row]) if decoded.faults[row] else None
        self._totals.compared += 1
        try:
            if isinstance(opened, Reason):
                _agree(fault, opened)
                return
            writer, body = opened
            mutant = Mutant(row, body, writer, framed=self._mode.name != "none" and len(body) < len(value))
            if name := self._oracle.judge(decoded.events, fault, mutant):
                self._totals.disagreements[name] += 1
        except Finding as finding:
            raise Finding(f"{self._mode.name}: {finding}\n{self._told(value, opened)}") from finding

    def _told(self, value: bytes, opened: object) -> str:
        family, writer = self._mode.family, opened[0] if isinstance(opened, tuple) else 0
        return "\n".join(
            [
                f"  value: {value.hex()}",
                f"  writer {writer}: {json.dumps(family.writers[writer].schema)}",
                f"  reader: {json.dumps(family.reader)}",
                f"  used: {', '.join(family.used)}",
            ]
        )


def _agree(fault: Fault | None, expected: Reason) -> None:
    """Hold the verdict on a value without a body against its reason.

    Raises:
        Finding: they differ.
    """
    if fault is None or reason_of(fault) != expected:
        raise Finding(f"ours: {fault!r}; expected {expected}")


def records(made: Mutants, originals: NDArray[np.int64]) -> Records:
    """Return mutants as a batch; the originals stand for the client's messages."""
    rows = len(made.ends)
    nowhere = np.full(rows, NO_TOPIC, np.int32)
    return Records(
        topics=(),
        topic=nowhere,
        partition=nowhere,
        offset=np.arange(rows),
        timestamp=np.full(rows, NO_TIME),
        keys=[None] * rows,
        data=made.data,
        ends=made.ends,
        originals=originals.tolist(),
    )


def _ordered(made: Mutants, order: NDArray[np.int64]) -> Mutants:
    starts = np.concatenate(([0], made.ends[:-1]))
    data = np.concatenate([made.data[starts[row] : made.ends[row]] for row in order.tolist()])
    return Mutants(data, np.cumsum((made.ends - starts)[order]))


def whole(decoded: Decoded) -> None:
    """Check of every row what needs no oracle.

    Raises:
        Finding: a rejected row has values, or a column has one that its type does not have.
    """
    events, rows = decoded.events, np.flatnonzero(decoded.faults)
    told = [each.row for each in events.rejected]
    if told != sorted(set(told)) or not decoded.faults[told].all():
        raise Finding("the rejected rows do not ascend")
    if not all("expected" in each.detail for each in events.rejected):
        raise Finding("a rejection that does not say what was expected")
    for path, column in events.columns.items():
        there = ~column.null
        if there[rows].any():
            raise Finding(f"{path}: a rejected row has a value")
        limits = {Kind.BOOLEAN: 2, Kind.ENUM: len(column.field.symbols)}.get(column.field.kind)
        if limits is not None and not ((column.values[there] >= 0) & (column.values[there] < limits)).all():
            raise Finding(f"{path}: a value beyond the type's")
        if column.starts is not None and column.ends is not None:
            starts, ends = column.starts[there], column.ends[there]
            if not ((starts >= 0) & (starts <= ends) & (ends <= len(events.data))).all():
                raise Finding(f"{path}: a text beyond the data")
    if not ((events.id_starts < events.id_ends) & (events.id_ends <= len(events.data))).all():
        raise Finding("an id beyond the data")
