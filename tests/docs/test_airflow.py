"""The DAG of docs/airflow.md runs in a real Airflow, on a real stream."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import xgboost
from pyarrow import parquet

from benchmarks.feast.environment import home
from tests.docs.pages import BLOCK, ROOT, run
from tests.docs.ship import RIGHT

DAGS = ROOT / "deploy/airflow"
PAGE = (ROOT / "docs/airflow.md").read_text()
BEFORE = """
scorer sandbox --env-file sandbox.env &
until [ -s sandbox.env ]; do sleep 0.2; done
set -a; . ./sandbox.env; set +a
python make.py
scorer models add --model model.ubj --plan plan.yaml --baseline train.parquet > added.txt
scorer topics --create > topics.txt
scorer models promote 1 > promoted.txt
scorer run 2> replica.log &
scorer labels run 2> labels.log &
scorer produce --input tuesday.jsonl --key id --rate 3000
scorer labels load --input tuesday-verdicts.jsonl
until scorer labels report > report.txt && grep -q "6,000 of 6,000" report.txt; do sleep 0.5; done
scorer produce --input wednesday.jsonl --key id --rate 40 2> produced.log &
"""


@pytest.mark.prove
def test_the_dag_opens_a_canary_of_a_better_version(tmp_path: Path) -> None:
    airflow = home("airflow", Path(__file__).with_name("airflow.lock"))
    for _, name, text in BLOCK.findall(RIGHT.read_text()) + BLOCK.findall(PAGE):
        if name:
            (tmp_path / name).write_text(text)
    with (tmp_path / "scorer.yaml").open("a") as file:
        file.write((tmp_path / "shadow.yaml").read_text())
    for program, folder in (("train.py", tmp_path), ("gate.py", tmp_path), ("scorer_daily.py", tmp_path / "dags")):
        folder.mkdir(exist_ok=True)
        shutil.copy(DAGS / program, folder)
    (commands,) = [text for language, _, text in BLOCK.findall(PAGE) if language == "sh"]
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "airflow").symlink_to(airflow / "bin/airflow")
    settings = {
        "AIRFLOW_HOME": str(tmp_path / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(tmp_path / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "SCORER_FEATURES__TIMEOUT_MS": "30000",
    }
    done = run([BEFORE, commands], tmp_path, 500, [programs], jobs=True, **settings)
    assert "canary 2 at 5%" in done.stdout
    results = _results(tmp_path / "airflow/airflow.db")
    assert results["score"]["scored"] == 6_000
    assert results["training_set"].startswith("6,000 rows in train/")
    assert results["train"]["rows"] + results["train"]["held_out"] == 6_000
    assert results["add"]["version"] == "2"
    assert results["shadow"]["shadows"] == [{"version": "2", "sample": 1.0}]
    assert results["gate"]["passed"]
    assert results["gate"]["auc"] > results["gate"]["champion_auc"] + 0.2
    assert results["gate"]["compared"] >= 500
    assert results["canary"]["canaries"] == [{"version": "2", "percent": 5.0, "salt": "2"}]


def _results(database: Path) -> dict[str, Any]:
    """Return what the tasks of the run left for each other."""
    with sqlite3.connect(database) as opened:
        rows = opened.execute("SELECT task_id, value FROM xcom WHERE key = 'return_value'").fetchall()
    return {task: _plain(json.loads(value)) for task, value in rows}


def _plain(value: Any) -> Any:
    """Return a result that may be JSON in JSON."""
    return json.loads(value) if isinstance(value, str) and value.startswith(("{", '"')) else value


def test_the_gate_is_closed_for_a_version_that_is_worse(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=1_000).astype(np.float32)
    labels = (values + rng.normal(scale=0.5, size=1_000) > 0).astype(float)
    others = {"weight": [1.0] * 1_000, "version": ["1"] * 1_000, "arm": ["champion"] * 1_000, "time": [0] * 1_000}
    ids = [f"e{number}" for number in range(1_000)]
    parquet.write_table(pa.table({"x": values, "label": labels, **others, "event_id": ids}), tmp_path / "rows.parquet")
    for version, sign in (("1", 1), ("2", -1)):
        (tmp_path / version).mkdir()
        data = xgboost.DMatrix(sign * values[:, None], labels, feature_names=["x"])
        xgboost.train({"objective": "binary:logistic"}, data, 5).save_model(tmp_path / version / "model.ubj")
    command = [sys.executable, str(DAGS / "gate.py"), "rows.parquet", "1", "2", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, env=os.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 99, done.stderr
    result = json.loads(done.stdout)
    assert result["champion_auc"] > 0.9
    assert result["auc"] < 0.1
    assert not result["passed"]


def test_the_programs_of_the_dag_say_why_they_cannot_go_on(tmp_path: Path) -> None:
    names = ["x", "label", "weight", "time", "event_id", "version", "arm"]
    rows = pa.table({name: ["1"] * 20 if name in {"event_id", "version", "arm"} else [1.0] * 20 for name in names})
    rows = rows.set_column(4, "event_id", pa.array([f"e{number}" for number in range(20)]))
    parquet.write_table(rows, tmp_path / "one.parquet")
    parquet.write_table(rows.slice(0, 0), tmp_path / "empty.parquet")
    for command, code, message in (
        ("train.py", 2, "the following arguments are required: rows, model"),
        ("train.py empty.parquet model.ubj", 1, "error: empty.parquet: no rows to train with"),
        ("gate.py absent.parquet 1 2 models", 1, "error: FileNotFoundError: absent.parquet"),
        ("gate.py one.parquet 1 2 models", 1, "do not have both labels; AUC needs positive and negative rows"),
    ):
        program, *arguments = command.split()
        words = [sys.executable, str(DAGS / program), *arguments]
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (done.returncode, message in done.stderr) == (code, True), (command, done.stderr)
        assert "Traceback" not in done.stderr
