"""Files of tables: `scorer score` from Parquet to Parquet, beside the same pipe around `inplace_predict` and pandas.

The three take turns on the same file, in one thread of one process. CPU is its user and system time, and the least of
many times counts: what else the machine does only adds. Their scores are compared.
"""

import json
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import xgboost
import yaml
from pyarrow import parquet
from rich.console import Console

from benchmarks import pages
from scorer.errors import Fatal
from scorer.files import FileReader, writing
from scorer.serving.serving import Serving, prepare
from scorer.settings import load

ROWS, COLUMNS, TRAINED, TREES = 400_000, 30, 20_000, 300
MISSING = 0.05  # of the values
BATCH = 8_192  # rows of the pipe around `inplace_predict`
ROUNDS = 5
NAMES = [f"c{number}" for number in range(COLUMNS)]
KAFKA = {
    "bootstrap_servers": "-",
    "group_id": "-",
    "input_topics": ["a"],
    "output_topic": "b",
    "dead_letter_topic": "c",
}


def prepared(folder: Path) -> Path:
    """Write a model, its configuration and a file of events; return the configuration."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(ROWS, COLUMNS)).astype(np.float32)
    values[rng.random(values.shape) < MISSING] = np.nan
    late = np.nansum(values[:TRAINED, :5], axis=1) + rng.normal(size=TRAINED) > 0
    bundle = folder / "models/table/1"
    bundle.mkdir(parents=True)
    data = xgboost.DMatrix(values[:TRAINED], late, feature_names=NAMES)
    xgboost.train({"objective": "binary:logistic", "max_depth": 6}, data, TREES).save_model(bundle / "model.ubj")
    (bundle / "plan.yaml").write_text(yaml.safe_dump({"columns": [{"name": name, "event": name} for name in NAMES]}))
    fields = [{"name": name, "type": ["null", "float"], "default": None} for name in NAMES]
    schema = {"type": "record", "name": "Row", "fields": [{"name": "id", "type": "string"}, *fields]}
    (folder / "event.avsc").write_text(json.dumps(schema))
    columns = {name: pa.array(column, mask=np.isnan(column)) for name, column in zip(NAMES, values.T, strict=True)}
    ids = [f"row-{number}" for number in range(ROWS)]
    parquet.write_table(pa.table({"id": ids, **columns}), folder / "in.parquet", row_group_size=1 << 17)
    document = {"kafka": KAFKA, "events": {"schema": "event.avsc", "id": "id"}, "model": {"path": "models/table"}}
    (folder / "scorer.yaml").write_text(yaml.safe_dump(document))
    return folder / "scorer.yaml"


def with_scorer(serving: Serving, source: Path, target: Path) -> None:
    """Score as `scorer score` does."""
    with ExitStack() as stack:
        out = stack.enter_context(target.open("w", encoding="utf-8"))
        write = stack.enter_context(writing("parquet", out, serving.outputs))
        for outcome in FileReader(serving, None).outcomes(source):
            write(outcome)


def with_pipe(booster: xgboost.Booster, source: Path, target: Path) -> None:
    """Score batch by batch with `inplace_predict`, and write the ids and the scores."""
    with parquet.ParquetWriter(target, pa.schema({"event_id": pa.string(), "score": pa.float64()})) as writer:
        for batch in parquet.ParquetFile(source).iter_batches(BATCH, use_threads=False):
            matrix = np.empty((batch.num_rows, COLUMNS), np.float32)
            for at, name in enumerate(NAMES):
                matrix[:, at] = batch[name].to_numpy(zero_copy_only=False)
            scores = booster.inplace_predict(matrix).astype(np.float64)
            writer.write_batch(pa.record_batch({"event_id": batch["id"], "score": scores}))


def with_pandas(booster: xgboost.Booster, source: Path, target: Path) -> None:
    """Score the whole file as most notebooks do."""
    frame = pd.read_parquet(source)
    scores = booster.predict(xgboost.DMatrix(frame[NAMES], nthread=1)).astype(np.float64)
    pd.DataFrame({"event_id": frame["id"], "score": scores}).to_parquet(target)


def run(console: Console) -> int:
    """Print a table, and return 0."""
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    with tempfile.TemporaryDirectory() as folder:
        console.print(f"training a model, and writing {ROWS:,} rows", style="dim")
        serving, source = prepare(load(prepared(Path(folder))).settings), Path(folder, "in.parquet")
        booster = xgboost.Booster({"nthread": 1}, model_file=serving.bundle.model_file)
        ways = {
            "`scorer score`": partial(with_scorer, serving),
            "the same pipe around `inplace_predict`": partial(with_pipe, booster),
            "`pandas` and `Booster.predict`": partial(with_pandas, booster),
        }
        least = dict.fromkeys(ways, np.inf)
        for number in range(ROUNDS):
            console.print(f"round {number + 1} of {ROUNDS}", style="dim")
            for at, (way, score) in enumerate(ways.items()):
                cpu = time.process_time()
                score(source, Path(folder, f"{at}.parquet"))
                least[way] = min(least[way], time.process_time() - cpu)
        _confirm([Path(folder, f"{at}.parquet") for at in range(len(ways))])
    show("from Parquet to Parquet", least)
    return 0


def show(title: str, least: Mapping[str, float]) -> None:
    """Print what each way took of CPU for all rows, in seconds, and the ratio to the first of them."""
    table = pages.table(title, "us of CPU a row", "rows a second of CPU", "ratio")
    ours = next(iter(least.values()))
    for way, seconds in least.items():
        table.add_row(way, f"{seconds / ROWS * 1e6:.2f}", f"{ROWS / seconds:,.0f}", f"{seconds / ours:.1f}")
    pages.output().print(table)


def _confirm(files: list[Path]) -> None:
    """Make sure that all gave the same scores to the same rows.

    Raises:
        Fatal: they did not.
    """
    form = pa.schema({"event_id": pa.string(), "score": pa.float64()})
    first, *others = (parquet.read_table(file, columns=form.names).cast(form) for file in files)
    if any(not first.equals(other) for other in others) or first.num_rows != ROWS:
        raise Fatal("the three ways gave different scores")
