"""Rows of the model's columns in the Open Inference Protocol, for MLServer as well, which looks nothing up."""

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import xgboost
from numpy.typing import NDArray

from benchmarks.feast.environment import home
from benchmarks.process import Process
from benchmarks.rest.load import Exchange, post
from scorer.errors import Fatal
from scorer.sandbox.server import HOST, free_port

LOCK = Path(__file__).with_name("mlserver.lock")
NAME, ROWS = "flight-delays", 500
PATH = f"/v2/models/{NAME}/infer"


def start(folder: Path, bundle: Path, stack: ExitStack) -> tuple[Process, int]:
    """Start MLServer with the model of a bundle; return it and its port."""
    model = xgboost.Booster(model_file=bundle / "model.ubj")
    model.feature_names = model.feature_types = None  # it compares the names of numpy's columns, which have none
    place, ports = folder / "mlserver" / NAME, [free_port() for _ in range(3)]
    place.mkdir(parents=True)
    model.save_model(place / "model.ubj")
    settings: dict[str, Any] = {"name": NAME, "implementation": "mlserver_xgboost.XGBoostModel"}
    (place / "model-settings.json").write_text(json.dumps(settings | {"parameters": {"uri": "./model.ubj"}}))
    server = {"host": HOST, "http_port": ports[0], "grpc_port": ports[1], "metrics_port": ports[2]}
    more = {"parallel_workers": 0, "debug": False, "metrics_endpoint": None}  # without workers it takes less CPU
    (place.parent / "settings.json").write_text(json.dumps(server | more))
    command = [str(home("mlserver", LOCK) / "bin/mlserver"), "start", str(place.parent)]
    return stack.enter_context(Process(command, {"OMP_NUM_THREADS": "1"}, folder / "mlserver.log")), ports[0]


def exchanges(bundle: Path) -> list[Exchange]:
    """Return requests for one row each, with the scores of the booster."""
    model, chance = xgboost.Booster(model_file=bundle / "model.ubj"), np.random.default_rng(0)
    model.feature_names = model.feature_types = None
    rows = chance.integers(0, 3, (ROWS, model.num_features())).astype(np.float32)
    scores = model.inplace_predict(rows, validate_features=False)
    return [_exchange(row, score) for row, score in zip(rows, scores.tolist(), strict=True)]


def _exchange(row: NDArray[np.float32], score: float) -> Exchange:
    values = row.tolist()
    tensor = {"name": "rows", "shape": [1, len(values)], "datatype": "FP32", "data": values}

    def confirm(answer: Any) -> None:  # noqa: ANN401  JSON
        found = answer["outputs"][0]["data"] if "outputs" in answer else []
        if [np.float32(each) for each in found] != [np.float32(score)]:
            raise Fatal(f"the row {values} has the score {score}, and was answered with {answer}")

    return Exchange(post(PATH, {"inputs": [tensor]}), confirm)
