"""The SQL functions: macros that cast a row to what the plan needs, around Python functions that score Arrow arrays."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from time import time
from types import TracebackType
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scorer.api.source import FeatureSource, Named, SchemaSource, not_given, open_source
from scorer.avro import Wanted
from scorer.batch import Outcome
from scorer.duckdb.columns import MOST_DIGITS, arrow_type, event_type, features_type, given_problems, row_problems
from scorer.errors import Misconfigured, ScorerError
from scorer.model import is_bundle
from scorer.plan import Entity
from scorer.rollout import choosing
from scorer.scoring import BaseScorer
from scorer.serving.ensemble import Candidate, scored_fields
from scorer.settings import Settings, load
from scorer.store import Fetch, Lookups, MemoryStore, Reply, Request
from scorer.tables import TableEvents, error_array, explanation_array, score_array, score_joined

SHOWN = 3  # columns of an explanation, unless the query asks for more
EXPLANATION = 'STRUCT("column" VARCHAR, value DOUBLE, contribution DOUBLE)[]'
NO_FEATURES = "STRUCT(none DOUBLE)"  # of a plan without entities: DuckDB has no struct without members

Answer = Callable[[Outcome], pa.Array]


def register(
    connection: duckdb.DuckDBPyConnection,
    source: Named | Settings,
    *,
    schema: SchemaSource | None = None,
    features: FeatureSource | None = None,
    prefix: str = "",
) -> "Functions":
    """Add the functions `score`, `score_with`, `explain` and `score_error` to a connection.

    `score(t)` is the score of a row: a number, or a list with one for each class. It is NULL where the row cannot be
    scored, and `score_error(t)` says why. `score_with('2', t)` is the score that another version gives. `explain(t)`
    and `explain(t, n)` are the columns that moved the score most. Each takes the features of entities as well, as in
    `score(t, {'plane': p})`; entities that are left out are looked up.

    Args:
        connection: a DuckDB connection. Existing functions of the same names are replaced.
        source: see `scorer.load`.
        schema: see `scorer.load`.
        features: see `scorer.load`.
        prefix: begins the name of each function, so that a connection may have several models.

    Returns:
        The registered model; its `close` closes the connections to Redis.

    Raises:
        Misconfigured: with every problem of the configuration, the model, its plan and the schema.
    """
    functions = Functions(source, schema, features)
    functions.add_to(connection, prefix)
    return functions


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """A version that scores rows of a query."""

    serving: Candidate
    wanted: Wanted
    events: TableEvents
    scorer: BaseScorer

    @property
    def entities(self) -> tuple[Entity, ...]:
        """The entities of the plan."""
        return tuple(self.serving.looked_up)


class Functions:
    """The SQL functions of one model; `register` makes it.

    Attributes:
        error: the last error that ended a query, since DuckDB passes on its text alone.
    """

    def __init__(self, source: Named | Settings, schema: SchemaSource | None, features: FeatureSource | None) -> None:
        self._source, self._schema, self._features = source, schema, features
        self._loaded: dict[tuple[str, bool], Loaded] = {}
        self._lookups: list[Lookups] = []
        self.error: ScorerError | None = None
        self._champion = self._load("", explained=False)

    def add_to(self, connection: duckdb.DuckDBPyConnection, prefix: str) -> None:
        """Add the functions to a connection."""
        serving, entities = self._champion.serving, self._champion.entities
        row, any_row = event_type(self._champion.wanted), event_type(_every_field(serving))
        features = features_type(entities) if entities else NO_FEATURES
        score = "DOUBLE" if serving.outputs == 1 else "DOUBLE[]"
        made = _Names(connection, prefix)
        check = made.function("check", self._check, ["VARCHAR"] * 4, "BOOLEAN")
        for name, returned, answer, form in (
            ("score", score, score_array, row),
            ("score_error", "VARCHAR", error_array, row),
            ("score_with", score, score_array, any_row),
            ("explain", EXPLANATION, explanation_array, row),
        ):
            plain, given = self._callbacks(answer, explained=name == "explain")
            own = made.function(name, plain, ["VARCHAR", form], returned)
            with_features = made.function(f"{name}_given", given, ["VARCHAR", form, features, "VARCHAR"], returned)
            made.macro(name, _macro(name, check, (own, with_features), form, features))

    def close(self) -> None:
        """Close the connections to Redis; a later query would open them again."""
        for lookups in self._lookups:
            lookups.close()

    def _check(self, versions: pa.Array, rows: pa.Array, zones: pa.Array, features: pa.Array) -> pa.Array:
        """Check the types of a query, which DuckDB passes as constants before it runs."""
        with _Noting(self):
            asked = zip(*(each.to_pylist() for each in (versions, rows, zones, features)), strict=True)
            for version, row, zone, given in dict.fromkeys(asked):
                loaded = self._load(version, explained=False) if version else self._champion
                problems = row_problems(loaded.wanted, row, zone)
                problems += given_problems(loaded.entities, given) if given else []
                if problems:
                    raise Misconfigured(problems)
        return pa.array([True] * len(rows))

    def _callbacks(self, answer: Answer, *, explained: bool) -> tuple[Callable[..., Any], Callable[..., Any]]:
        """Return the functions without and with features, since DuckDB counts the parameters of a function."""

        def plain(versions: pa.Array, rows: pa.Array) -> pa.Array:
            return self._answer(answer, _Chunk(_whole(versions), _whole(rows)), explained=explained)

        def given(versions: pa.Array, rows: pa.Array, features: pa.Array, types: pa.Array) -> pa.Array:
            names = [field.name for field in arrow_type(_whole(types)[0].as_py())] if len(types) else []
            chunk = _Chunk(_whole(versions), _whole(rows), _whole(features), names)
            return self._answer(answer, chunk, explained=explained)

        return plain, given

    def _answer(self, answer: Answer, chunk: "_Chunk", *, explained: bool) -> pa.Array:
        """Score the rows of a chunk, with one version after the other."""
        with _Noting(self):
            parts, places = [], []
            for version, at in chunk.by_version():
                part = chunk if len(at) == len(chunk.rows) else chunk.take(at)
                parts.append(answer(part.outcome(self._load(version, explained=explained))))
                places.append(at)
            if len(parts) == 1:
                return parts[0]
            return pa.concat_arrays(parts).take(pa.array(np.argsort(np.concatenate(places), kind="stable")))

    def _load(self, version: str, *, explained: bool) -> Loaded:
        """Return a version; the empty name is that of the source."""
        key = version, explained
        if key not in self._loaded:
            source = self._of_version(version) if version else self._source
            explain = len(self._champion.serving.columns) or SHOWN if explained else None
            serving, lookups = open_source(source, self._schema, self._features, explain)
            if lookups is not None:
                self._lookups.append(lookups)
            wanted = scored_fields(serving)
            struct = arrow_type(event_type(_every_field(serving) if version else wanted))
            events = TableEvents(wanted, pa.schema(list(struct)), "the row")
            self._loaded[key] = Loaded(serving, wanted, events, serving.scorer(self._fetch(serving, lookups)))
        return self._loaded[key]

    def _of_version(self, version: str) -> Named | Settings:
        source = self._source
        if isinstance(source, str | PathLike) and Path(source).is_dir():
            folder = Path(source)
            return (folder.parent if is_bundle(folder) else folder) / version
        return choosing(source if isinstance(source, Settings) else load(Path(source)).settings, version)

    def _fetch(self, serving: Candidate, lookups: Lookups | None) -> Fetch | None:
        entities = serving.looked_up
        if isinstance(self._features, Mapping):
            return MemoryStore(entities, self._features).fetch
        if lookups is not None or not entities:
            return lookups.fetch if lookups else None

        def refuse(requests: Sequence[Request], now: float) -> list[Reply]:  # noqa: ARG001  as `Fetch` has it
            expected = "give them as in score(t, {'plane': p}), or set features.url"
            raise Misconfigured([not_given((entity.name for entity in entities), expected)])

        return refuse


class _Noting:
    """Keeps the error of a query."""

    def __init__(self, functions: Functions) -> None:
        self._functions = functions

    def __enter__(self) -> None:
        self._functions.error = None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if isinstance(error, ScorerError):
            self._functions.error = error


class _Names:
    """Gives functions names that nothing else has, and macros those that people use."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, prefix: str) -> None:
        self._connection, self._prefix = connection, prefix

    def function(self, name: str, function: Callable[..., Any], types: Sequence[str], returned: str) -> str:
        """Add a function of Arrow arrays, and return its name."""
        own = f"_scorer_{self._prefix}{name}"
        with suppress(duckdb.Error):
            self._connection.remove_function(own)
        add: Any = self._connection.create_function
        add(
            own,
            function,
            [duckdb.sqltype(each) for each in types],
            duckdb.sqltype(returned),
            type="arrow",
            null_handling="special",  # otherwise rows with NULL are never seen
            side_effects=False,
        )
        return own

    def macro(self, name: str, text: str) -> None:
        """Add a macro, in place of one of that name."""
        self._connection.execute(f"CREATE OR REPLACE MACRO {self._prefix}{name}{text}")


def _macro(name: str, check: str, functions: tuple[str, str], row: str, features: str) -> str:
    """Return the parameters and bodies of a macro.

    The check has arguments that are constant in a query, so DuckDB calls it once, when it plans the query.
    """
    own, given = functions
    version, first = ("version", "version, ") if name == "score_with" else ("''", "")
    zone = "current_setting('TimeZone')"
    plain = f"CASE WHEN {check}({version}, typeof(r), {zone}, '') THEN {own}({version}, CAST(r AS {row})) END"
    checked = f"{check}({version}, typeof(r), {zone}, typeof(features))"
    call = f"{given}({version}, CAST(r AS {row}), CAST(features AS {features}), typeof(features))"
    with_features = f"CASE WHEN {checked} THEN {call} END"
    if name != "explain":
        return f"({first}r) AS {plain}, ({first}r, features) AS {with_features}"
    cut = f"(r) AS list_slice({plain}, 1, {SHOWN}), (r, shown) AS list_slice({plain}, 1, shown)"
    return f"{cut}, (r, shown, features) AS list_slice({with_features}, 1, shown)"


@dataclass(frozen=True, slots=True, eq=False)
class _Chunk:
    """What DuckDB passes of some rows.

    versions: text [rows].
    rows:     structs [rows].
    features: structs of structs [rows]; None if the query gives none.
    given:    the entities that the query gives.
    """

    versions: pa.Array
    rows: pa.Array
    features: pa.Array | None = None
    given: Sequence[str] = ()

    def by_version(self) -> Iterator[tuple[str, NDArray[np.int64]]]:
        """Yield each version with its rows; the empty one stands for that of the source."""
        names = self.versions.fill_null("")
        for version in names.unique().to_pylist() or [""]:
            yield version, np.flatnonzero(names.to_numpy(zero_copy_only=False) == version)

    def take(self, at: NDArray[np.int64]) -> "_Chunk":
        """Return some rows."""
        rows = pa.array(at)
        features = None if self.features is None else self.features.take(rows)
        return _Chunk(self.versions.take(rows), self.rows.take(rows), features, self.given)

    def outcome(self, loaded: Loaded) -> Outcome:
        """Score the rows; entities that are not given are looked up."""
        batch = pa.RecordBatch.from_arrays(self.rows.flatten(), names=[field.name for field in self.rows.type])
        now, scorer, events = time(), loaded.scorer, loaded.events.events(batch)
        if self.features is None:
            return scorer.score(events, now)
        return score_joined(scorer, events, self.features, self.given, now)


def _every_field(serving: Candidate) -> Wanted:
    """Return all fields that a plan could use, since another version may need others."""
    scalars = serving.schema.scalars
    return Wanted(serving.schema, [path for path in serving.schema.fields if scalars[path].precision <= MOST_DIGITS])


def _whole(array: pa.Array) -> pa.Array:
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
