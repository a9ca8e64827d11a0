"""Places columns whose names do not identify them, by the model's thresholds and splits and by sample events."""

from collections.abc import Sequence

from scorer.avro import Schema
from scorer.init import formulas, orders, packed
from scorer.init.features import Holder
from scorer.init.found import Guess
from scorer.init.rows import Rows
from scorer.init.samples import Samples
from scorer.init.search import Found
from scorer.model import Booster


def weigh(
    guesses: Sequence[Guess], booster: Booster, schema: Schema, samples: Samples, found: Found
) -> tuple[list[Guess], list[Holder]]:
    """Return the guesses with more columns placed, and the entities of packed strings.

    Args:
        guesses: the guesses by name.
        booster: the model.
        schema:  the schema of the events.
        samples: sample events.
        found:   what Redis holds.
    """
    placed, added = list(guesses), list[Holder]()
    if found.templates and found.explorer:
        placed, added = packed.place(placed, found.strings, found.holders, found.templates, found.explorer.strings)
    rows = Rows(samples, [*found.holders, *added], found.explorer)
    placed = formulas.place(placed, rows)
    return orders.place(placed, booster, schema.fields, rows), added
