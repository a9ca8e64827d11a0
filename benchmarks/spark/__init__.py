"""Spark: `scorer.spark.score`, beside `mapInArrow` around `inplace_predict`.

The two take turns on the same rows, in one session with one worker. CPU is the user and system time of Python's
processes, without that of Java, and the least of several times counts: what else the machine does only adds. Their
scores are compared.
"""

import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from rich.console import Console

from benchmarks.process import PROC, cpu_seconds
from benchmarks.spark.session import session
from benchmarks.tables import COLUMNS, NAMES, ROWS, prepared, show
from scorer.errors import Fatal

ROUNDS = 4  # the first of them starts Python's processes, and does not count
PARTITIONS = 4


def with_scorer(frame: Any, config: Path) -> Any:  # noqa: ANN401  of Spark
    """Return the ids and the scores of a frame, as a user of `scorer` has them."""
    import scorer.spark  # noqa: PLC0415  once there is a session

    return scorer.spark.score(frame, config).select("id", "prediction.score")


def with_map(frame: Any, model: bytes) -> Any:  # noqa: ANN401  the same
    """Return the ids and the scores of a frame, as one writes it with Spark and XGBoost alone."""
    sent = frame.sparkSession.sparkContext.broadcast(model)

    def predict(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import xgboost  # noqa: PLC0415  in the process of the executor

        booster = xgboost.Booster({"nthread": 1}, model_file=bytearray(sent.value))
        for batch in batches:
            matrix = np.empty((batch.num_rows, COLUMNS), np.float32)
            for at, name in enumerate(NAMES):
                matrix[:, at] = batch[name].to_numpy(zero_copy_only=False)
            scores = booster.inplace_predict(matrix).astype(np.float64)
            yield pa.record_batch({"id": batch["id"], "score": scores})

    return frame.mapInArrow(predict, "id string, score double")


def run(console: Console) -> int:
    """Print a table, and return 0.

    Raises:
        Fatal: the scores differ.
    """
    with tempfile.TemporaryDirectory() as folder:
        console.print(f"training a model, and writing {ROWS:,} rows", style="dim")
        config, rows = prepared(Path(folder)), Path(folder, "in.parquet")
        model = (Path(folder) / "models/table/1/model.ubj").read_bytes()
        with session("local[1]", Path(folder)) as spark:
            frame = spark.read.parquet(str(rows)).repartition(PARTITIONS).persist()
            frame.count()
            ways: dict[str, Callable[[], Any]] = {
                "`scorer.spark.score`": partial(with_scorer, frame, config),
                "`mapInArrow` around `inplace_predict`": partial(with_map, frame, model),
            }
            least = _measured(spark, {way: make() for way, make in ways.items()}, console)
            _confirm([make().orderBy("id").toArrow() for make in ways.values()])
    show("in a job", least)
    return 0


def _measured(spark: Any, frames: dict[str, Any], console: Console) -> dict[str, float]:  # noqa: ANN401  of Spark
    """Return the least CPU seconds of Python for each of some frames."""
    least = dict.fromkeys(frames, np.inf)
    for number in range(ROUNDS):
        console.print(f"round {number + 1} of {ROUNDS}", style="dim")
        for way, frame in frames.items():
            before = _python_seconds(spark)
            frame.write.format("noop").mode("overwrite").save()
            if number:
                least[way] = min(least[way], _python_seconds(spark) - before)
    return least


def _python_seconds(spark: Any) -> float:  # noqa: ANN401  of Spark
    """Return the CPU seconds of Python's processes: each is forked by a daemon that is a child of Java."""
    java = PROC / str(spark.sparkContext._gateway.proc.pid)  # noqa: SLF001  PySpark has no other way to it
    children = [int(each) for thread in (java / "task").iterdir() for each in (thread / "children").read_text().split()]
    return sum(cpu_seconds(each) for each in children if b"pyspark.daemon" in (PROC / f"{each}/cmdline").read_bytes())


def _confirm(found: list[pa.Table]) -> None:
    """Make sure that both gave the same scores to the same rows.

    Raises:
        Fatal: they did not.
    """
    ours, rivals = found
    if ours.num_rows != ROWS or not ours.equals(rivals.cast(ours.schema)):
        raise Fatal("the two ways gave different scores")
