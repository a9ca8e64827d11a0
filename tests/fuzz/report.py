"""Renders the totals of a run as a page."""

from datetime import UTC, datetime

from scorer.avro.program.reading import Fault
from tests.fuzz.disagreements import explanations
from tests.fuzz.runner import MEMORY, Plan
from tests.fuzz.totals import Totals

INTRODUCTION = """# Fuzz

Made by `{command}` on {when:%Y-%m-%d}:
{mutants:,} mutants of encoded events, all of them decoded by the compiled decoder of the stream, in batches. Schemas,
events and mutations are random, from the seed. Each family of schemas has a reader's and four writers'. One writer has
the reader's own schema. The others differ as schemas do that evolve: fields in another order, added, removed, renamed,
widened or nullable, recursive records that are passed over, and enums with other symbols.

Each chunk of {chunk:,} mutants runs in a process of its own, which may grow by {memory} MiB and has a time limit: a
crash, a hang, an exception or more memory is a finding. For every row we check that a rejected one is null in all
columns, and that the values of an accepted one are in the range of their types and inside the data. One batch in 8 is
decoded again in another order and must give the same columns.

**One mutant in {share} is compared** with fastavro and with a strict reader that was written for the tests
(`tests/avro/reference.py`). Both must agree on whether the value is accepted and on every column; the strict reader
also on the reason of a rejection. The other mutants are only checked as said above. One rejected row in 256 is
explained in words, as the stream does with each.
"""
DISAGREEMENTS = """
## Disagreements with fastavro

The strict reader agrees with every verdict, except for what only schema resolution finds, which fastavro must find as
well. fastavro disagrees in the ways below. Any other way is a finding. A value that fastavro does not read to its end
counts as rejected by it. Values that the strict reader rejects are not given to fastavro if an array in their schema
has items without bytes: it would count to billions.

| the decoder's verdict | times | why |
|---|---:|---|
"""


def page(totals: Totals, plan: Plan, wanted: int) -> str:
    """Return the page of a run."""
    command = f"make fuzz ARGS='--mutants {wanted} --seed {plan.seed} --share {plan.share}'"
    introduction = INTRODUCTION.format(
        command=command,
        when=datetime.now(UTC),
        mutants=totals.mutants,
        memory=MEMORY // 2**20,
        chunk=plan.mutants,
        share=round(totals.mutants / max(1, totals.compared)),
    )
    rows = [
        ("mutants", totals.mutants),
        ("families of schemas", totals.families),
        ("accepted", totals.accepted),
        ("compared with both oracles", totals.compared),
        ("decoded again in another order", totals.repeated),
        ("seconds of a core", round(totals.seconds)),
        ("slowest batch, milliseconds", round(totals.slowest * 1000)),
        ("most that a process grew, MiB", round(totals.peak / 2**20)),
        ("**findings**", len(totals.findings)),
    ]
    lines = [introduction, "| | |", "|---|---:|", *(f"| {name} | {value:,} |" for name, value in rows)]
    for title, counts in (("framing", totals.modes), ("edit", totals.edits), ("rejected as", totals.verdicts)):
        lines += ["", f"| {title} | times |", "|---|---:|"]
        lines += [f"| {name.lower().replace('_', ' ')} | {count:,} |" for name, count in counts.most_common()]
    why = explanations()
    known = [f"| {name} | {count:,} | {why[name]} |" for name, count in totals.disagreements.most_common()]
    found = ["", "## Findings", "", *(f"```\n{each}\n```" for each in totals.findings)] if totals.findings else []
    return "\n".join([*lines, DISAGREEMENTS + "\n".join(known), *found]) + "\n"


def unseen(totals: Totals) -> set[str]:
    """Return the faults that no mutant had, though values can have them."""
    return {fault.name for fault in Fault} - set(totals.verdicts)
