"""ONNX graphs: scores are ONNX Runtime's own in every batch, and what is not scored is refused by name."""

import random
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import skl2onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper
from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from scorer.batch import Reason, Rejected
from scorer.errors import Fatal, Misconfigured
from scorer.model import load
from scorer.model.learned.rounds import Rounds
from scorer.model.onnx.booster import OnnxGraph
from scorer.scoring.scorer import once

from .boosters import COLUMNS, Rows

KINDS: dict[str, tuple[Any, int]] = {  # the model, and the classes of its labels
    "forest": (RandomForestClassifier(10, max_depth=5, random_state=1), 2),
    "forest-classes": (RandomForestClassifier(10, max_depth=5, random_state=1), 3),
    "boosting": (GradientBoostingRegressor(n_estimators=10), 0),
    "pipeline": (make_pipeline(StandardScaler(), LogisticRegression()), 2),
    "network": (MLPRegressor(hidden_layer_sizes=(70, 30), max_iter=20, random_state=1), 0),
}
Load = Callable[..., OnnxGraph]


def rows(count: int, seed: int = 0) -> Rows:
    return np.random.default_rng(seed).normal(size=(count, COLUMNS)).astype(np.float32)


@cache
def saved(kind: str, *, zipmap: bool = False) -> bytes:
    model, classes = KINDS[kind]
    values = rows(500)
    signal = values[:, 0] + values[:, 1] * values[:, 2]
    model.fit(values, np.digitize(signal, [0.0, 1.0][: classes - 1]) if classes else signal)
    options = {id(model): {"zipmap": zipmap}} if classes else None
    types = [("x", skl2onnx.common.data_types.FloatTensorType([None, COLUMNS]))]
    return bytes(skl2onnx.to_onnx(model, initial_types=types, options=options).SerializeToString())


def theirs(data: bytes, values: Rows, output: int) -> NDArray[Any]:
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    found: NDArray[Any] = session.run(None, {session.get_inputs()[0].name: values})[output]
    return found


@pytest.fixture
def loaded(tmp_path: Path) -> Load:
    def read(data: bytes, rounds: Rounds | None = None) -> OnnxGraph:
        (tmp_path / "model.onnx").write_bytes(data)
        booster = load.load_booster(tmp_path / "model.onnx", rounds)
        assert isinstance(booster, OnnxGraph)
        return booster

    return read


@pytest.mark.parametrize("kind", KINDS)
def test_scores_are_those_of_onnx_runtime_whatever_the_batch(kind: str, loaded: Load) -> None:
    data, values, classes = saved(kind), rows(600, seed=3), KINDS[kind][1]
    ours = loaded(data)
    one_by_one = [theirs(data, values[row : row + 1], 1 if classes else 0) for row in range(len(values))]
    expected = np.concatenate(one_by_one)
    expected = expected[:, 1] if classes == 2 else expected if classes else expected.reshape(-1)
    assert ours.score(values).values.tobytes() == np.ascontiguousarray(expected).tobytes()
    for size in (1, 3, 127):
        assert ours.score(values[:size]).values.tobytes() == np.ascontiguousarray(expected[:size]).tobytes()
    assert ours.score(values[:0]).values.shape == expected[:0].shape
    assert ours.classes == (3 if classes == 3 else 1)
    assert ours.objective == {0: "regression", 2: "binary", 3: "multiclass"}[classes]
    assert ours.path.startswith("onnxruntime")
    assert not ours.compiled
    assert (ours.slow == "") == ("the same in batches of any size" in ours.checks[-1])
    with pytest.raises(Misconfigured, match="an ONNX graph cannot be explained"):
        ours.explainer(1 << 20)


def test_rounds_cannot_be_chosen(loaded: Load) -> None:
    with pytest.raises(Misconfigured, match="an ONNX graph can only be used as a whole"):
        loaded(saved("boosting"), 3)


def graph(nodes: list[Any], **changed: Any) -> bytes:
    """A graph of own nodes, from x [rows, 2] to y [rows, 1]."""
    inputs = changed.get("inputs") or [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 2])]
    outputs = changed.get("outputs") or [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 1])]
    made = helper.make_graph(nodes, "g", inputs, outputs, changed.get("initializers") or [])
    domains = [helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(made, opset_imports=domains, ir_version=9, functions=changed.get("functions") or [])
    return bytes(model.SerializeToString())


SUM = helper.make_node("ReduceSum", ["x", "axes"], ["y"])
AXES = helper.make_tensor("axes", TensorProto.INT64, [1], [1])


def far() -> Any:
    """A tensor whose numbers are in another file."""
    tensor = helper.make_tensor("w", TensorProto.FLOAT, [1, 2], [1.0, 2.0])
    tensor.ClearField("float_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")
    return tensor


def typed(name: str, kind: int, shape: list[int | None]) -> Any:
    return helper.make_tensor_value_info(name, kind, shape)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (lambda: saved("forest", zipmap=True), "convert it with options={'zipmap': False}"),
        (lambda: graph([helper.make_node("Gelu", ["x"], ["y"], domain="com.microsoft")]), "Gelu of com.microsoft"),
        (lambda: graph([helper.make_node("RandomNormalLike", ["x"], ["y"])]), "gives other scores each time"),
        (lambda: graph([helper.make_node("Loop", ["x"], ["y"])]), "may repeat without end"),
        (lambda: graph([helper.make_node("Constant", [], ["y"], value=far())]), "another file (external data)"),
        (lambda: graph([SUM], initializers=[AXES, far()]), "another file (external data)"),
        (
            lambda: graph([SUM], functions=[helper.make_function("d", "F", ["a"], ["b"], [], [])]),
            "it has functions of its own",
        ),
        (
            lambda: graph([SUM], initializers=[AXES], inputs=[typed("x", TensorProto.DOUBLE, [None, 2])]),
            "tensor(double)",
        ),
        (
            lambda: graph([SUM], initializers=[AXES], inputs=[typed("x", TensorProto.FLOAT, [4, 2])]),
            "any number of rows",
        ),
        (
            lambda: graph([SUM], initializers=[AXES], outputs=[typed("x", TensorProto.FLOAT, [None, 2])] * 2),
            "",
        ),
        (lambda: graph([helper.make_node("Nonsense", ["x"], ["y"])]), "Nonsense"),
        (lambda: saved("forest")[:-50], "it is cut short"),
    ],
)
def test_a_graph_that_is_not_scored_is_refused_with_the_reason(
    data: Callable[[], bytes], why: str, loaded: Load
) -> None:
    with pytest.raises(Misconfigured) as caught:
        loaded(data())
    (problem,) = caught.value.problems
    assert "is not a usable model: " in problem.what
    assert why in problem.what


def test_scores_that_depend_on_the_batch_are_computed_row_by_row(loaded: Load) -> None:
    nodes = [helper.make_node("ReduceSum", ["x"], ["all"]), helper.make_node("Add", ["first", "all"], ["y"]), SUM]
    nodes[2] = helper.make_node("ReduceSum", ["x", "axes"], ["first"])
    ours, values = loaded(graph([nodes[0], nodes[2], nodes[1]], initializers=[AXES])), rows(5)[:, :2]
    assert "one row at a time" in ours.path
    assert ours.slow
    expected = 2 * values.sum(axis=1)
    assert np.allclose(ours.score(values).values, expected)
    assert ours.score(values).values[:1].tobytes() == ours.score(values[:1]).values.tobytes()


def test_a_row_that_the_runtime_refuses_is_named_and_the_others_are_scored(
    loaded: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, values = loaded(saved("boosting")), rows(9)
    expected, run = ours.score(values).values, ours._run
    values[4, 0] = 7

    def refuse(matrix: Rows) -> Any:
        if (matrix[:, 0] == 7).any():
            raise RuntimeError("Non-zero status code\nmore")
        return run(matrix)

    monkeypatch.setattr(ours, "_run", refuse)
    found = ours.score(values)
    (rejected,) = found.rejected
    assert (rejected.row, rejected.reason) == (4, Reason.MODEL_ERROR)
    assert rejected.detail == "ONNX Runtime refused the row: Non-zero status code"
    assert np.delete(found.values, 4).tobytes() == np.delete(expected, 4).tobytes()
    monkeypatch.setattr(ours, "_run", lambda _: refuse(values))
    with pytest.raises(Fatal, match="ONNX Runtime no longer scores any row"):
        ours.score(values)


@pytest.mark.parametrize("kind", ["network", "pipeline"])
def test_a_row_without_a_score_is_refused(kind: str, loaded: Load) -> None:
    ours, values = loaded(saved(kind)), rows(9)
    expected = ours.score(values)
    assert not expected.rejected
    values[[2, 7], 0] = np.nan
    found = ours.score(values)
    assert [(each.row, each.reason) for each in found.rejected] == [(2, Reason.MODEL_ERROR), (7, Reason.MODEL_ERROR)]
    assert "may not take missing values" in found.rejected[0].detail
    assert np.delete(found.values, [2, 7]).tobytes() == np.delete(expected.values, [2, 7]).tobytes()
    assert ours.score(values[:0]).values.shape == (0,)


def test_a_row_that_was_rejected_before_keeps_its_reason() -> None:
    reasons = [Rejected(3, Reason.BAD_VALUE, "text"), Rejected(3, Reason.MODEL_ERROR, "NaN")]
    assert list(once(reasons)) == reasons[:1]


def test_without_the_extra_it_says_what_to_install(loaded: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(Misconfigured, match=r"install scorer\[onnx\]"):
        loaded(saved("boosting"))


def test_bytes_changed_at_random_are_refused_or_scored_and_never_crash(loaded: Load) -> None:
    model, values = saved("boosting"), rows(20)
    draw, found = random.Random(5), {"refused": 0, "scored": 0}  # noqa: S311  seeded on purpose
    for _ in range(12):
        data = bytearray(model)
        for _ in range(draw.choice([1, 1, 3])):
            data[draw.randrange(2, len(data))] = draw.randrange(256)
        try:
            ours = loaded(bytes(data))
        except Misconfigured as error:
            assert len(error.problems) == 1  # noqa: PT017  either way it must be a message
            found["refused"] += 1
        else:
            found["scored"] += 1
            if ours.columns == COLUMNS:
                ours.score(values)
    assert min(found.values()) > 0
    assert onnx.load_model_from_string(model).graph.node
