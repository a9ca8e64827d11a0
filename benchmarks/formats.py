"""Models of other formats compared with their own libraries, one thread each: microseconds per row."""

import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import onnxruntime
import skl2onnx
import treelite
from numpy.typing import NDArray
from rich.console import Console
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestRegressor

from benchmarks.trees import COLUMNS, Rows, least, rows, show
from scorer.model import load_booster

SIZES = (1, 32, 500, 2000)
TREES, LEAVES, TRAINED = 100, 55, 8_000

Predict = Callable[[Rows], object]


def boosted(folder: Path, values: Rows, label: NDArray[np.bool_]) -> tuple[Path, Predict]:
    """Train LightGBM."""
    given = {"objective": "binary", "num_leaves": LEAVES, "verbosity": -1, "num_threads": 1}
    booster = lightgbm.train(given, lightgbm.Dataset(values, label), TREES)
    booster.save_model(folder / "model.txt")
    return folder / "model.txt", partial(booster.predict, num_threads=1)


def histograms(folder: Path, values: Rows, label: NDArray[np.bool_]) -> tuple[Path, Predict]:
    """Fit scikit-learn's boosting on histograms."""
    model = HistGradientBoostingClassifier(max_iter=TREES, max_leaf_nodes=LEAVES, early_stopping=False)
    model.fit(values, label)
    return _exported(folder, model), model.predict_proba


def forest(folder: Path, values: Rows, label: NDArray[np.bool_]) -> tuple[Path, Predict]:
    """Fit scikit-learn's random forest."""
    model = RandomForestRegressor(TREES, max_leaf_nodes=LEAVES, random_state=1).fit(np.nan_to_num(values), label)
    return _exported(folder, model), lambda some: model.predict(np.nan_to_num(some))


def graph(folder: Path, values: Rows, label: NDArray[np.bool_]) -> tuple[Path, Predict]:
    """Fit the same random forest, as an ONNX graph that ONNX Runtime runs on both sides."""
    model = RandomForestRegressor(TREES, max_leaf_nodes=LEAVES, random_state=1).fit(np.nan_to_num(values), label)
    types = [("x", skl2onnx.common.data_types.FloatTensorType([None, COLUMNS]))]
    content = skl2onnx.to_onnx(model, initial_types=types).SerializeToString()
    (folder / "model.onnx").write_bytes(content)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return folder / "model.onnx", lambda some: session.run(None, {"x": some})


MODELS: dict[str, Callable[[Path, Rows, NDArray[np.bool_]], tuple[Path, Predict]]] = {
    "LightGBM": boosted,
    "scikit-learn, HistGradientBoosting": histograms,
    "scikit-learn, RandomForest": forest,
    "ONNX of that forest, on ONNX Runtime": graph,
}


def measure(name: str) -> Iterator[tuple[float, float]]:
    """Yield, for each of SIZES, the microseconds per row of the library and of a loaded bundle's model."""
    values = rows(TRAINED, categorical=False)
    label = np.nan_to_num(values[:, :5]).sum(axis=1) + np.random.default_rng(1).normal(size=TRAINED) > 0
    with tempfile.TemporaryDirectory() as folder:
        file, predict = MODELS[name](Path(folder), values, label)
        ours = load_booster(file)
    matrix = rows(max(SIZES), categorical=False, seed=2)
    for size in SIZES:
        theirs, own = least(partial(predict, matrix[:size]), partial(ours.score, matrix[:size]))
        yield theirs / size * 1e6, own / size * 1e6


def run(console: Console) -> int:
    """Train each of MODELS, print a table, and return 0."""
    show(console, "its library / scorer", SIZES, {name: partial(measure, name) for name in MODELS})
    return 0


def _exported(folder: Path, model: Any) -> Path:  # noqa: ANN401  an estimator
    (folder / "model.json").write_text(treelite.sklearn.import_model(model).dump_as_json(pretty_print=False))
    return folder / "model.json"
