"""Looks features up by key in tables in memory: the only row of a key, or the one that was valid at an event's time."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scorer.arrays.spans import Texts
from scorer.batch import Found
from scorer.errors import Misconfigured, Problem, did_you_mean
from scorer.serving.ensemble import Candidate
from scorer.store import Fetch, Reply, Request
from scorer.store.fallback import unavailable_replies
from scorer.tables.feature_table import FeatureTable


class FeatureTables:
    """Looks features up in tables, and those of entities without a table in a store.

    Args:
        files: the table of each entity, by its name.
        as_of: the column with the time from which a row is valid; None if each key has one row.
        serving: the entities that are looked up, and the schema of the events, from whose fields keys are made.
        others: looks up the entities without a table; None if there are none, or if there is no store.

    Attributes:
        notes: remarks on the tables for the user, as sentences.

    Raises:
        Misconfigured: with every problem of every table, and every entity that has neither a table nor a store.
    """

    def __init__(self, files: Mapping[str, Path], as_of: str | None, serving: Candidate, others: Fetch | None) -> None:
        self._others, self._tables, self._files = others, dict[str, FeatureTable](), files
        self.notes = list[str]()
        known, problems = {entity.name: entity for entity in serving.looked_up}, list[Problem]()
        for name, file in files.items():
            if name not in known:
                expected = f"its entities are {', '.join(known)}" if known else "it has none"
                what = f"the plan has no entity '{name}'{did_you_mean(name, known)}"
                problems.append(Problem("--features", what, expected))
                continue
            try:
                self._tables[name] = FeatureTable(known[name], file, serving.schema, as_of)
                self.notes += self._tables[name].notes
            except Misconfigured as error:
                problems += error.problems
        if others is None:
            absent = [name for name in known if name not in files]
            expected = "give --features ENTITY=FILE, or set features.url"
            problems += [Problem("--features", f"no source of features for '{name}'", expected) for name in absent]
        if as_of and not problems and not any(table.past for table in self._tables.values()):
            problems.append(Problem("--as-of", f"no table has a column '{as_of}'", "expected a column of times"))
        if problems:
            raise Misconfigured(problems)

    def __call__(self, requests: Sequence[Request], now: float) -> list[Reply]:
        """Return a reply for each request; see `Store.fetch`.

        Raises:
            Unavailable: the store of the others does not answer.
        """
        found: dict[str, Reply] = {}
        for request in requests:
            if table := self._tables.get(request.entity.name):
                found[request.entity.name] = table.reply(Texts.of(request.keys), now)
        left = [request for request in requests if request.entity.name not in found]
        if left:
            asks = self._others is not None and any(request.keys for request in left)
            replies = self._others(left, now) if self._others and asks else unavailable_replies(left)
            found |= {request.entity.name: reply for request, reply in zip(left, replies, strict=True)}
        return [found[request.entity.name] for request in requests]

    def found(
        self, requests: Sequence[Request], slots: Sequence[NDArray[np.int32]], times: NDArray[np.int64], now: float
    ) -> tuple[Found, ...]:
        """See `PointInTime.found`.

        Raises:
            Unavailable: the store of the others does not answer.
        """
        past = [self._past(request) for request in requests]
        plain = [request for request, table in zip(requests, past, strict=True) if table is None]
        replies = iter(self(plain, now) if plain else ())
        return tuple(
            table.found(request, of_entity, times) if table else _as_found(request, of_entity, next(replies))
            for request, table, of_entity in zip(requests, past, slots, strict=True)
        )

    def place(self, entity: str) -> str:
        """See `PointInTime.place`."""
        return self._files[entity].name if entity in self._files else "Redis"

    def _past(self, request: Request) -> FeatureTable | None:
        table = self._tables.get(request.entity.name)
        return table if table and table.past else None


def _as_found(request: Request, slots: NDArray[np.int32], reply: Reply) -> Found:
    name, keys = request.entity.name, request.keys
    return Found(name, slots, reply.values, reply.absent, reply.results, keys, reply.reused)
