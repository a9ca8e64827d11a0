"""Each day: score the day's events, train with what the model saw, and open a canary if the new version is better.

Each task is a command, whose exit code is the task's, and whose JSON is its result. docs/airflow.md describes it.
"""  # noqa: INP001  Airflow reads it as a file

import os
from collections.abc import Callable
from datetime import datetime
from json import loads
from typing import Any

from airflow.sdk import dag, task

HOME = os.environ.get("MODEL_HOME", "/opt/scorer")  # the folder of scorer.yaml, with a folder `days`
PERCENT = 5  # of the keys, for the canary
ROWS = "train/{{ ds }}.parquet"
WHY = "--why 'trained with {{ ds }}'"
# Airflow takes the last line of what a command prints as its result, and the exit code of the last in a pipe.
ONE_LINE = "| tr -d '\\n'; exit $PIPESTATUS"


def command(function: Callable[..., str]) -> Any:  # noqa: ANN401  a task of Airflow
    """Make a task of a function that returns a command, which prints JSON."""
    return task.bash(cwd=HOME, output_processor=loads)(function)


@dag(schedule="@daily", start_date=datetime(2026, 1, 1), catchup=False, max_active_runs=1)  # noqa: DTZ001  Airflow's is UTC
def scorer_daily() -> None:
    """Score, train, add, shadow, and open a canary."""

    @command
    def score() -> str:
        return "scorer score --input days/{{ ds }}.jsonl --output scored/{{ ds }}.parquet --json"

    @task.bash(cwd=HOME)
    def training_set() -> str:
        return f"scorer training-set --from {{{{ ds }}}} --to {{{{ macros.ds_add(ds, 1) }}}} --output {ROWS}"

    @command
    def train() -> str:
        return f"python train.py {ROWS} train/model.ubj"

    @command
    def add() -> str:
        return f"scorer models add --model train/model.ubj --plan plan.yaml --baseline {ROWS} --json {ONE_LINE}"

    @command
    def shadow(added: dict[str, str]) -> str:
        return f"scorer models shadow {added['version']} {WHY} --json {ONE_LINE}"

    @command
    def gate(added: dict[str, str], shadowed: dict[str, str]) -> str:
        return f"python gate.py {ROWS} {shadowed['champion']} {added['version']} {added['folder']}/.."

    @command
    def canary(added: dict[str, str]) -> str:
        return f"scorer models canary {added['version']} --percent {PERCENT} {WHY} --json {ONE_LINE}"

    added = add()
    score() >> training_set() >> train() >> added
    gate(added, shadow(added)) >> canary(added)


scorer_daily()
