"""Train the next version: python train.py ROWS MODEL. Make it your own; gate.py leaves out the same rows."""  # noqa: INP001  a program of the DAG

import argparse
import json
import sys
from zlib import crc32

import pyarrow as pa
import pyarrow.parquet
import xgboost

OURS = ["label", "weight", "version", "arm", "time", "event_id"]


def main() -> None:
    """Read the arguments, and train."""
    parser = argparse.ArgumentParser(description="Train the next version.")
    parser.add_argument("rows")
    parser.add_argument("model")
    given = parser.parse_args()
    try:
        train(given.rows, given.model)
    except (OSError, KeyError, pa.ArrowInvalid, xgboost.core.XGBoostError) as error:
        sys.exit(f"error: {type(error).__name__}: {next(iter(str(error).splitlines()), '')}")


def train(source: str, target: str) -> None:
    """Train with the rows whose events are not held out, and print how many there were."""
    table = pyarrow.parquet.read_table(source)
    rows = table.filter(pa.array([crc32(each.encode()) % 5 != 0 for each in table["event_id"].to_pylist()], pa.bool_()))
    if not rows.num_rows:
        sys.exit(f"error: {source}: no rows to train with; take a longer range, or look for labels that are missing")
    data = xgboost.DMatrix(
        rows.drop_columns(OURS).to_pandas(), rows["label"].to_numpy(), weight=rows["weight"].to_numpy()
    )
    xgboost.train({"objective": "binary:logistic", "max_depth": 4}, data, 30).save_model(target)
    print(json.dumps({"rows": rows.num_rows, "held_out": table.num_rows - rows.num_rows}))  # noqa: T201  its result


if __name__ == "__main__":
    main()
