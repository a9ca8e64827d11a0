"""Logs models with MLflow's own client, as a training job does. Run by the Python of the environment with MLflow.

Usage: python mlflow_models.py FOLDER, with MLFLOW_TRACKING_URI. FOLDER has the files that go with models.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import mlflow
import mlflow.xgboost
import numpy as np
import xgboost
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema

PLAN = {"columns": [{"name": "amount", "event": "amount"}, {"name": "doubled", "expression": "amount * 2"}]}
NAMES = ["amount", "doubled"]


def booster(seed: int, columns: int, names: list[str] | None) -> xgboost.Booster:
    chance = np.random.default_rng(seed)
    rows = chance.uniform(0, 100, (300, columns)).astype(np.float32)
    data = xgboost.DMatrix(rows, chance.uniform(0, 1, 300) > 0.5, feature_names=names)
    return xgboost.train({"objective": "binary:logistic", "max_depth": 4, "nthread": 1}, data, 10)


def log(model: Any, *columns: str, **options: Any) -> None:
    signature = ModelSignature(inputs=Schema([ColSpec("float", name) for name in columns]))
    mlflow.xgboost.log_model(
        model, name="model", signature=signature, pip_requirements=[], registered_model_name="fraud", **options
    )


def main(folder: Path) -> None:
    whole, other = booster(2, 2, None), booster(4, 2, NAMES)
    score = float(whole.predict(xgboost.DMatrix(np.array([[50, 100]], np.float32)))[0])
    event = {"id": "payment-1", "amount": 50, "card": None}
    (folder / "plan.yaml").write_text(json.dumps(PLAN))
    (folder / "golden.jsonl").write_text(json.dumps({"event": event, "score": score}) + "\n")
    extra = [str(folder / "plan.yaml"), str(folder / "golden.jsonl")]
    log(booster(1, 1, ["amount"]), "amount")  # version 1: without a plan
    log(whole, *NAMES, extra_files=extra)  # 2: only its signature has names
    log(whole, *reversed(NAMES), extra_files=extra)  # 3: the signature contradicts the plan
    log(other, *NAMES, extra_files=extra[:1], model_format="json")  # 4: another format, and no golden events
    mlflow.pyfunc.log_model(  # 5: no model of XGBoost
        name="model", python_model=lambda model_input: model_input, registered_model_name="fraud", pip_requirements=[]
    )
    mlflow.MlflowClient().set_registered_model_alias("fraud", "champion", "2")


if __name__ == "__main__":
    os.chdir(sys.argv[1])
    main(Path(sys.argv[1]))
