"""SQL: `score(t)` on DuckDB, beside a function of the same kind around `inplace_predict`.

The two take turns on the same file, in one thread of one process. CPU is its user and system time, and the least of
many times counts: what else the machine does only adds. Their scores are compared.
"""

import tempfile
import time
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import xgboost
from rich.console import Console

from benchmarks.tables import COLUMNS, NAMES, ROUNDS, ROWS, prepared, show
from scorer.duckdb import register
from scorer.errors import Fatal


def add_rival(connection: duckdb.DuckDBPyConnection, model: Path) -> None:
    """Add the function `rival` of all columns, as one writes it with DuckDB and XGBoost alone."""
    booster = xgboost.Booster({"nthread": 1}, model_file=model)

    def predict(*columns: pa.ChunkedArray) -> pa.Array:
        matrix = np.empty((len(columns[0]), COLUMNS), np.float32)
        for at, column in enumerate(columns):
            matrix[:, at] = column.to_numpy()
        return pa.array(booster.inplace_predict(matrix).astype(np.float64))

    made: dict[str, Any] = {}
    text = f"def rival({', '.join(NAMES)}): return predict({', '.join(NAMES)})"  # DuckDB counts the parameters
    exec(text, {"predict": predict}, made)  # noqa: S102  our own text
    add: Any = connection.create_function
    kinds = [duckdb.sqltype("FLOAT")] * COLUMNS
    returned = duckdb.sqltype("DOUBLE")
    add("rival", made["rival"], kinds, returned, type="arrow", null_handling="special", side_effects=False)


def run(console: Console) -> int:
    """Print a table, and return 0."""
    pa.set_cpu_count(1)
    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as connection:
        console.print(f"training a model, and writing {ROWS:,} rows", style="dim")
        config, rows = prepared(Path(folder)), Path(folder, "in.parquet")
        connection.execute("SET threads = 1")
        register(connection, config)
        add_rival(connection, config.with_name("models") / "table/1/model.ubj")
        ways = {"`score(t)`": "score(t)", "a function around `inplace_predict`": f"rival({', '.join(NAMES)})"}
        least, sums = dict.fromkeys(ways, np.inf), set()
        for number in range(ROUNDS):
            console.print(f"round {number + 1} of {ROUNDS}", style="dim")
            for way, call in ways.items():
                cpu = time.process_time()
                sums.add(connection.execute(f"SELECT sum({call}) FROM '{rows}' t").fetchall()[0][0])  # noqa: S608  ours
                least[way] = min(least[way], time.process_time() - cpu)
    if len(sums) > 1:
        raise Fatal(f"the scores differ: their sums are {sums}")
    show("in a query", least)
    return 0
