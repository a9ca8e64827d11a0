"""SQL functions of Spark that score rows, and the checks of their arguments in a query."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from scorer.api.source import Named, SchemaSource
from scorer.batch import Outcome
from scorer.errors import Misconfigured, Problem
from scorer.serving.ensemble import Candidate, scored_fields
from scorer.settings import Settings
from scorer.spark.frames import GIVEN, outcome_of
from scorer.spark.parcel import Box, Packed, missing_features, opened, pack
from scorer.spark.types import arrow_type, spark_type
from scorer.tables import TableEvents, error_array, features_problems, score_array
from scorer.tables.files import slices

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

ROW = "expected a row, as in score(struct(t.*))"
FEATURES = "expected a struct, as in named_struct('{}', struct(p.*))"


def register(
    spark: "SparkSession",
    source: Named | Settings,
    *,
    schema: SchemaSource | None = None,
    features: str | None = None,
    prefix: str = "",
) -> "Functions":
    """Add the SQL functions `score` and `score_error` to a session.

    `score(struct(t.*))` is the score of a row: a number, or an array with one for each class. It is NULL where the row
    cannot be scored, and `score_error(struct(t.*))` says why. Both take features as well, as in
    `score(struct(t.*), named_struct('plane', struct(p.*)))`; entities that are left out are looked up.

    Args:
        spark: the session.
        source: see `scorer.load`.
        schema: see `scorer.load`.
        features: the URL of a Redis, which the executors ask; by default that of the configuration.
        prefix: begins the name of each function, so that a session may have several models.

    Raises:
        Misconfigured: with every problem of the configuration, the model, its plan and the schema.
    """
    from pyspark.sql.functions import arrow_udf  # noqa: PLC0415  comes with the caller's session

    packed = pack(source, schema, features)
    box = spark.sparkContext.broadcast(packed.parcel)
    score = pa.float64() if packed.serving.outputs == 1 else pa.list_(pa.float64())
    answers: dict[str, tuple[Callable[[Outcome], pa.Array], pa.DataType]] = {
        "score": (score_array, score),
        "score_error": (error_array, pa.string()),
    }
    for name, (answer, kind) in answers.items():
        function = arrow_udf(_function(box, answer), spark_type(kind))
        spark.udf.register(prefix + name, function)
    return Functions(spark, packed, frozenset(prefix + name for name in answers))


@dataclass(frozen=True, slots=True)
class Functions:
    """The SQL functions of one model in a session; `register` makes it."""

    spark: "SparkSession"
    packed: Packed
    names: frozenset[str]

    def sql(self, query: str) -> "DataFrame":
        """Return a query as `spark.sql` does, after a check of the functions' arguments.

        With `spark.sql` itself, the executors raise the same when they get the first rows.

        Raises:
            Misconfigured: with every column that is missing, or that cannot hold the values of its field.
        """
        frame = self.spark.sql(query)
        plan = frame._jdf.queryExecution().analyzed()  # noqa: SLF001  PySpark has no other way to a plan
        calls = dict.fromkeys(_calls(plan, self.names))
        problems = [problem for types in calls for problem in self._problems(*map(json.loads, types))]
        if problems:
            raise Misconfigured(dict.fromkeys(problems))
        return frame

    def _problems(self, row: Any, given: Any = None) -> list[Problem]:  # noqa: ANN401  JSON
        features = None if given is None else arrow_type(given)
        return call_problems(self.packed.serving, arrow_type(row), features, stored=self.packed.parcel.stored)


def call_problems(serving: Candidate, row: pa.DataType, given: pa.DataType | None, *, stored: bool) -> list[Problem]:
    """Return every problem of the arguments that a query gives a function.

    Args:
        serving: the model.
        row: the type of the rows.
        given: the type of the features; None if none are given.
        stored: whether features that are not given are looked up.
    """
    if not pa.types.is_struct(row):
        return [Problem("score", f"found {row}", ROW)]
    problems = list[Problem]()
    try:
        TableEvents(scored_fields(serving), pa.schema(list(row)), "the row")
    except Misconfigured as error:
        problems += error.problems
    if given is not None and not pa.types.is_struct(given):
        first = next((entity.name for entity in serving.looked_up), "plane")
        return [*problems, Problem("features", f"found {given}", FEATURES.format(first))]
    problems += features_problems(serving.looked_up, given) if given is not None else []
    return problems + missing_features(serving, [each.name for each in given or ()], stored=stored)


def _function(box: Box, answer: Callable[[Outcome], pa.Array]) -> Callable[..., pa.Array]:
    """Return the function that Spark calls with the rows of a batch, and with their features if the query has them."""
    known = dict[tuple[pa.DataType, pa.DataType | None], TableEvents]()

    def call(rows: pa.Array, given: pa.Array = None) -> pa.Array:  # Spark knows the kind of function by these types
        model, types = opened(box), (rows.type, None if given is None else given.type)
        if types not in known:
            if problems := call_problems(model.serving, *types, stored=model.parcel.stored):
                raise Misconfigured(problems)
            known[types] = TableEvents(scored_fields(model.serving), pa.schema(list(rows.type)), "the row")
        batch = pa.RecordBatch.from_arrays(rows.flatten(), names=[each.name for each in rows.type])
        if given is not None:
            batch = batch.append_column(GIVEN, given)
        parts = list(slices(batch)) or [batch]
        return pa.concat_arrays([answer(outcome_of(model, known[types], part)) for part in parts])

    return call


def _calls(plan: Any, names: frozenset[str]) -> Iterator[tuple[str, ...]]:  # noqa: ANN401  Java's
    """Yield the types of the arguments of each call of some functions in a plan, as JSON."""
    for expression in _each(plan.expressions()):
        yield from _calls_in(expression, names)
    for inner in (*_each(plan.children()), *_each(plan.subqueries())):
        yield from _calls(inner, names)


def _calls_in(expression: Any, names: frozenset[str]) -> Iterator[tuple[str, ...]]:  # noqa: ANN401  Java's
    children = list(_each(expression.children()))
    if expression.getClass().getSimpleName() == "PythonUDF" and expression.name() in names:
        yield tuple(child.dataType().json() for child in children)
    for child in children:
        yield from _calls_in(child, names)


def _each(sequence: Any) -> Iterator[Any]:  # noqa: ANN401  Scala's
    return (sequence.apply(number) for number in range(sequence.size()))
