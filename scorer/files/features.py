"""Where features come from when files are scored: tables, and Redis for the entities that have no table."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from scorer.errors import Misconfigured, Problem
from scorer.rollout import kind_of_home
from scorer.serving.ensemble import Candidate
from scorer.settings import Settings
from scorer.store import Fetch, Lookups


@dataclass(frozen=True, slots=True)
class TableFiles:
    """Tables of features.

    files: the table of each entity, by its name.
    as_of: the column with the time from which a row is valid; None if each key has one row.
    """

    files: Mapping[str, Path] = field(default_factory=dict)
    as_of: str | None = None

    @property
    def states(self) -> dict[str, object]:
        """The path, size in bytes and modification time in nanoseconds of each table; empty if there are none.

        Raises:
            Misconfigured: with every table that does not exist.
        """
        if absent := [file for file in self.files.values() if not file.is_file()]:
            raise Misconfigured([Problem("--features", f"no file at {file}", "expected a table") for file in absent])
        states = {entity: (file, file.stat()) for entity, file in self.files.items()}
        found = {name: [str(file), state.st_size, state.st_mtime_ns] for name, (file, state) in states.items()}
        return {"features": found, "as of": self.as_of} if found else {}


def without_stream(settings: Settings, tables: TableFiles) -> Settings:
    """Return settings that allow features from tables alone; otherwise a plan with entities needs Redis."""
    if settings.features is not None or not tables.files:
        return settings
    rollout = "off" if kind_of_home(settings) == "topic" else settings.model.rollout
    model = settings.model.model_copy(update={"rollout": rollout})
    return settings.model_copy(update={"stream": None, "model": model})


@dataclass(frozen=True, slots=True)
class Source:
    """Where features come from.

    fetch: looks them up; None if the plan has no entities.
    notes: remarks on the tables for the user, as sentences.
    """

    fetch: Fetch | None
    notes: tuple[str, ...] = ()


@contextmanager
def features_of(serving: Candidate, tables: TableFiles) -> Iterator[Source]:
    """Open the tables, and the store for the entities that have no table.

    Raises:
        Misconfigured: with every problem of the tables.
    """
    others = [entity for entity in serving.looked_up if entity.name not in tables.files]
    lookups: Lookups | None = serving.lookups(cached=False) if others else None
    try:
        fetch = lookups.fetch if lookups else None
        if not tables.files:
            yield Source(fetch)
            return
        from scorer.tables import FeatureTables  # noqa: PLC0415  imports pyarrow, which only tables need

        redis = fetch if serving.settings.features else None
        found = FeatureTables(tables.files, tables.as_of, serving, redis)
        yield Source(found, tuple(found.notes))
    finally:
        if lookups:
            lookups.close()
