"""Decide whether a shadow becomes a canary: python gate.py ROWS CHAMPION SHADOW MODELS.

The exit code is 0 if it does, 99 if it does not, and 1 or 2 after an error. ROWS is a training set; the rows that
train.py left out are scored. MODELS is the folder of the versions.
"""  # noqa: INP001  a program of the DAG

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from zlib import crc32

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import xgboost

GAIN = -0.002  # the least difference of AUC to the champion
EVENTS, SECONDS = 500, 1_800  # stream events that both must have scored; how long to wait for them
SKIP = 99  # with this exit code, Airflow skips the task and those after it
REFUSED = 2  # exit code of `scorer` for a mistake that waiting does not mend
OURS = ["label", "weight", "version", "arm", "time", "event_id"]


def auc(scores: np.ndarray, labels: np.ndarray) -> float:
    """Return the area under the curve: the probability that a positive row has a higher score than a negative one."""
    _, place, count = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(count) - (count - 1) / 2)[place]
    good, bad = labels.sum(), (1 - labels).sum()
    return float((ranks[labels == 1].sum() - good * (good + 1) / 2) / (good * bad))


def quality(rows: Path, models: list[Path]) -> list[float]:
    """Return the AUC of each model on the rows that were held out."""
    table = pyarrow.parquet.read_table(rows)
    held = table.filter(pa.array([crc32(each.encode()) % 5 == 0 for each in table["event_id"].to_pylist()], pa.bool_()))
    labels = held["label"].to_numpy()
    if len(np.unique(labels)) < 2:  # noqa: PLR2004  positive and negative
        sys.exit(
            f"error: {rows}: the {len(labels)} rows left out of training do not have both labels; "
            "AUC needs positive and negative rows: take a longer range"
        )
    data = xgboost.DMatrix(held.drop_columns(OURS).to_pandas())
    return [auc(xgboost.Booster(model_file=model).predict(data), labels) for model in models]


def compared(champion: str, shadow: str) -> int:
    """Wait until both have scored EVENTS events of the stream, for SECONDS at most; return how many both scored."""
    command = ["scorer", "models", "diff", shadow, champion, "--stream", "--json"]
    until, found = time.monotonic() + SECONDS, 0
    while found < EVENTS and time.monotonic() < until:
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)  # noqa: S603  our own
        if done.returncode == REFUSED:
            sys.exit(REFUSED)
        found = json.loads(done.stdout)["scores"]["compared"] if done.returncode == 0 else 0
        time.sleep(0 if found >= EVENTS else 5)
    return found


def main() -> int:
    """Print the result, and return 0 or SKIP."""
    parser = argparse.ArgumentParser(description="Decide whether a shadow becomes a canary.")
    for name in ("rows", "champion", "shadow", "models"):
        parser.add_argument(name)
    given = parser.parse_args()
    try:
        return decide(given.rows, given.champion, given.shadow, given.models)
    except (OSError, KeyError, pa.ArrowInvalid, xgboost.core.XGBoostError) as error:
        sys.exit(f"error: {type(error).__name__}: {next(iter(str(error).splitlines()), '')}")


def decide(rows: str, champion: str, shadow: str, models: str) -> int:
    """Compare the versions."""
    now, new = quality(Path(rows), [Path(models, version, "model.ubj") for version in (champion, shadow)])
    events = compared(champion, shadow) if new - now >= GAIN else 0
    passed = new - now >= GAIN and events >= EVENTS
    print(json.dumps({"auc": new, "champion_auc": now, "compared": events, "passed": passed}))  # noqa: T201  its result
    return 0 if passed else SKIP


if __name__ == "__main__":
    sys.exit(main())
