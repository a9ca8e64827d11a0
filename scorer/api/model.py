"""A model that scores rows given in Python."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from types import TracebackType
from typing import Any, Literal, Protocol, Self, TypeVar, overload

from scorer.api.bad_rows import BadRows
from scorer.api.predictions import Columns, end_to_end
from scorer.api.rows import is_table, read_rows
from scorer.api.source import FeatureSource, Named, SchemaSource, not_given, open_source
from scorer.avro import BadEvent, Converter, prediction_columns
from scorer.batch import Reason, Rejected
from scorer.errors import Misconfigured
from scorer.serving.ensemble import Candidate
from scorer.serving.offline import Offline
from scorer.settings import Settings
from scorer.store import Fetch, Lookups, MemoryStore, Reply, Request

Errors = Literal["raise", "null"]
ROWS = 8_192  # of a table that are scored together


class Tabular(Protocol):
    """A DataFrame or a pyarrow Table."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""


Table = TypeVar("Table", bound=Tabular)


def load(
    source: Named | Settings,
    *,
    schema: SchemaSource | None = None,
    features: FeatureSource | None = None,
    explain: int | None = None,
) -> "Model":
    """Load a model, to score rows of a program or a notebook as a replica does.

    Args:
        source: the path of a configuration, a `Settings` object, the folder of a bundle (`models/NAME/VERSION`), or the
            folder of all versions (`models/NAME`), of which the latest is loaded.
        schema: the schema of the events: the path of an .avsc file, or the schema itself. By default the one that the
            configuration names; a bundle does not contain a schema, so it is required with a bundle.
        features: the URL of a Redis, or a mapping: entity -> key as in Redis -> name of a feature -> value. By default
            the configuration's Redis. It is not contacted before rows are scored.
        explain: the number of columns that explain each prediction, from 1. By default the configuration says which
            predictions are explained.

    Raises:
        Misconfigured: with every problem of the configuration, the model, its plan and the schema.
    """
    serving, lookups = open_source(source, schema, features, explain)
    return Model(serving, lookups, features if isinstance(features, Mapping) else None)


class Model:
    """A version of a model that is ready to score; `load` makes one. It belongs to one thread at a time.

    Attributes:
        name: the model's name.
        version: the name of the version, or of the ensemble that is the champion of a roll-out state in a file.
    """

    def __init__(self, serving: Candidate, lookups: Lookups | None, features: Mapping[str, Any] | None) -> None:
        self.name, self.version = serving.model, serving.version
        self._serving, self._converter = serving, Converter(serving.schema)
        self._lookups, self._features = lookups, features
        self._fetch: Fetch | None = None  # the mapping of the current call
        self._offline = Offline(serving, self._look_up if serving.looked_up else None)

    @overload
    def score(
        self,
        rows: Iterable[Mapping[str, Any]],
        *,
        features: Mapping[str, Any] | None = None,
        errors: Errors = "raise",
    ) -> list[dict[str, Any]]: ...

    @overload
    def score(self, rows: Table, *, features: Mapping[str, Any] | None = None, errors: Errors = "raise") -> Table: ...

    def score(self, rows: Any, *, features: Mapping[str, Any] | None = None, errors: Errors = "raise") -> Any:
        """Score rows: each gets the score that a replica publishes for that event, bit for bit.

        Args:
            rows: a list of dicts, a DataFrame, or a pyarrow Table, with a name or column for each field of the schema.
            features: as in `load`, for this call alone.
            errors: what to do with rows that cannot be scored. `raise` raises BadRows, and nothing is returned. `null`
                returns a null score for them, with `reason` and `detail`, which are null in the other rows.

        Returns:
            As many rows of the same kind, in their order, with the fields of a prediction.

        Raises:
            BadRows: some rows cannot be scored, and `errors` is `raise`.
            TypeError: the rows are of another kind.
            Misconfigured: the features do not have the required form.
            Unavailable: Redis does not answer, and `features.when_unavailable` is `wait`.
        """
        if errors not in {"raise", "null"}:
            raise ValueError(f'errors={errors!r}; expected "raise" or "null"')
        if is_table(rows):
            return self._score_table(rows, features, errors)
        given = read_rows(rows, self._serving.schema.record)
        bodies, bad = self._bodies(given.events)
        if bad and errors == "raise":
            raise BadRows(bad, len(bodies))
        self._fetch = self._chosen(features)
        columns = self._predictions(bodies, bad)
        if bad and errors == "raise":
            raise BadRows(bad, len(bodies))
        if errors == "raise":
            del columns["reason"], columns["detail"]
        return given.to_callers_form(columns)

    def close(self) -> None:
        """Close the connections to Redis; a later call would open them again."""
        if self._lookups:
            self._lookups.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _score_table(self, table: Any, features: Mapping[str, Any] | None, errors: Errors) -> Any:  # noqa: ANN401  Arrow's
        """Score a pyarrow Table, whose columns are never taken apart into Python's objects."""
        from scorer.tables import TableScorer, as_table  # noqa: PLC0415  imports pyarrow, which this caller has

        scorer = TableScorer(self._serving, self._offline.scorer, table.schema, "the table")
        self._fetch = self._chosen(features)
        outcomes = list(scorer.outcomes(table.to_batches(ROWS)))
        firsts = accumulate((len(outcome.predictions.event_time) for outcome in outcomes), initial=0)
        bad = {
            first + each.row: each
            for first, outcome in zip(firsts, outcomes, strict=False)
            for each in outcome.rejected
        }
        if bad and errors == "raise":
            raise BadRows(bad, table.num_rows)
        found = as_table(outcomes, self._serving.outputs)
        return found.drop_columns(["reason", "detail"]) if errors == "raise" else found

    def _bodies(self, events: Sequence[Any]) -> tuple[list[bytes], dict[int, Rejected]]:
        """Return events as Avro, an empty body for each that does not fit the schema, and the reasons for those."""
        bodies, bad = [], dict[int, Rejected]()
        for row, event in enumerate(events):
            try:
                bodies.append(self._converter.to_avro(event, ""))
            except BadEvent as error:
                bodies.append(b"")
                bad[row] = Rejected(row, Reason.BAD_VALUE, str(error).removeprefix(": "))
        return bodies, bad

    def _predictions(self, bodies: Sequence[bytes], bad: dict[int, Rejected]) -> Columns:
        """Score events, and add those that cannot be scored to the bad ones."""
        batches, first = [], 0
        for outcome in self._offline.outcomes(bodies) if bodies else [self._offline.score(bodies)]:
            batches.append(prediction_columns(outcome))
            for each in outcome.rejected:
                bad.setdefault(first + each.row, each)
            first += len(batches[-1]["event_id"])
        columns = end_to_end(batches)
        columns["score"] = [None if row in bad else score for row, score in enumerate(columns["score"])]
        columns["reason"] = [bad[row].reason.value if row in bad else None for row in range(first)]
        columns["detail"] = [bad[row].detail if row in bad else None for row in range(first)]
        return columns

    def _look_up(self, requests: Sequence[Request], now: float) -> list[Reply]:
        assert self._fetch is not None  # noqa: S101  `_chosen` raises if the plan has entities and there are no features
        return self._fetch(requests, now)

    def _chosen(self, features: Mapping[str, Any] | None) -> Fetch | None:
        entities = self._serving.looked_up
        chosen = self._features if features is None else features
        if chosen is not None:
            return MemoryStore(entities, chosen).fetch
        if entities and not self._lookups:
            expected = "give features=, a mapping or the URL of a Redis"
            raise Misconfigured([not_given((entity.name for entity in entities), expected)])
        return self._lookups.fetch if self._lookups else None
