"""Scores Arrow batches of events."""

from collections.abc import Iterable, Iterator
from time import time

import pyarrow as pa

from scorer.batch import Outcome
from scorer.scoring import BaseScorer
from scorer.serving.ensemble import Candidate
from scorer.tables.events import TableEvents


class TableScorer:
    """Scores Arrow batches with one schema, with the parts of a replica: each row gets the score of that event.

    Args:
        serving: the model, or several as one, and the schema of the events.
        scorer: scores its events.
        found: the schema of the batches.
        where: their name, for errors.

    Attributes:
        absent: the fields that take their default, or null, in every row, since no column has them.

    Raises:
        Misconfigured: with every column that is missing, or cannot hold values of its field.
    """

    def __init__(self, serving: Candidate, scorer: BaseScorer, found: pa.Schema, where: str) -> None:
        self._events = TableEvents(serving.wanted(), found, where)
        self._scorer, self.absent = scorer, tuple(self._events.absent)

    def score(self, batch: pa.RecordBatch, first: int = 0) -> Outcome:
        """Score the events of a batch.

        Args:
            batch: [rows].
            first: the number of the first row, which is the id of an event without one.

        Raises:
            Unavailable: the store is unavailable and the policy is to wait.
        """
        return self._scorer.score(self._events.events(batch, first), time())

    def outcomes(self, batches: Iterable[pa.RecordBatch], first: int = 0) -> Iterator[Outcome]:
        """Score batches in turn, of which the first begins with row `first`.

        Raises:
            Unavailable: the store is unavailable and the policy is to wait.
        """
        for batch in batches:
            yield self.score(batch, first)
            first += batch.num_rows
