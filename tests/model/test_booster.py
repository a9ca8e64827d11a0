import gc
import json
import weakref
from pathlib import Path

import numpy as np
import pytest
import xgboost

from scorer.batch import Reason
from scorer.errors import Fatal, Misconfigured
from scorer.model import Booster, load_booster
from scorer.model.load import check_loads
from scorer.model.xgboost.booster import XGBooster

from . import lightgbms
from .boosters import (
    CATEGORICAL,
    COLUMNS,
    KINDS,
    NAMES,
    Rows,
    edited,
    is_categorical,
    loaded,
    predict,
    rows,
    same_bits,
    train,
)

SIZES = (1, 2, 31, 500, 2000)


@pytest.mark.parametrize("kind", KINDS)
def test_scores_equal_predict_bit_for_bit_for_any_batch_size(kind: str) -> None:
    booster = loaded(kind)
    matrix = rows(2000, seed=7, categorical=is_categorical(kind))
    matrix[3] = np.nan
    expected = predict(train(kind), matrix)
    for size in SIZES:
        scores = booster.score(matrix[:size])
        assert not scores.rejected
        assert same_bits(scores.values, expected[:size]), size
    alone = [booster.score(matrix[row : row + 1]).values for row in range(100)]
    assert same_bits(np.concatenate(alone), expected[:100])


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_matrix_has_empty_scores_of_the_correct_shape(kind: str) -> None:
    booster = loaded(kind)
    empty = booster.score(np.empty((0, COLUMNS), np.float32)).values
    assert empty.dtype == np.float32
    assert (
        empty.shape[1:]
        == booster.score(rows(2)).values.shape[1:]
        == (() if booster.classes == 1 else (booster.classes,))
    )


@pytest.mark.parametrize(
    ("kind", "expected"),  # objective, kind, classes, trees
    [
        ("logistic", ("binary:logistic", "gbtree", 1, 8)),
        ("forest", ("reg:squarederror", "gbtree", 1, 24)),
        ("softprob", ("multi:softprob", "gbtree", 3, 24)),
        ("softmax", ("multi:softmax", "gbtree", 1, 24)),
        ("ndcg", ("rank:ndcg", "gbtree", 1, 8)),
        ("outputs", ("reg:squarederror", "gbtree", 2, 16)),
        ("quantiles", ("reg:quantileerror", "gbtree", 3, 24)),
        ("dart", ("binary:logistic", "dart", 1, 8)),
        ("linear", ("binary:logistic", "gblinear", 1, 0)),
    ],
)
@pytest.mark.parametrize("ending", ["ubj", "json"])
def test_a_model_reports_its_properties(kind: str, expected: tuple[object, ...], ending: str, tmp_path: Path) -> None:
    file = tmp_path / f"model.{ending}"
    train(kind).save_model(file)
    booster = load_booster(file)
    assert (booster.objective, booster.booster_kind, booster.classes, booster.trees) == expected
    assert (booster.columns, booster.names) == (COLUMNS, NAMES)


def test_names_and_types_are_present_if_they_were_set_in_training() -> None:
    assert loaded("categorical").feature_types == CATEGORICAL
    assert loaded("logistic").feature_types is None
    assert loaded("logistic", named=False).names is None


@pytest.mark.parametrize("code", [-1, -0.5, 3.5, 39, 40, 1e6, 2**24, 3e9, 1e20, -1e20])
@pytest.mark.parametrize("kind", ["categorical", "categorical-dart", "categorical-classes"])
def test_an_unseen_category_is_scored_as_predict_does(kind: str, code: float) -> None:
    matrix = rows(64, seed=3, categorical=True)
    matrix[5, 1] = matrix[6, 2] = code
    scores = loaded(kind).score(matrix)
    assert not scores.rejected
    assert same_bits(scores.values, predict(train(kind), matrix))


@pytest.mark.parametrize("kind", ["linear", "linear-classes"])
@pytest.mark.parametrize("culprits", [[0], [17], [3, 4, 31], list(range(31))])
def test_a_row_that_the_booster_refuses_is_the_only_row_rejected(kind: str, culprits: list[int]) -> None:
    matrix = rows(32, seed=5)
    expected = predict(train(kind), matrix)
    matrix[culprits, 2] = np.inf
    scores = loaded(kind).score(matrix)
    assert [rejected.row for rejected in scores.rejected] == culprits
    assert {rejected.reason for rejected in scores.rejected} == {Reason.MODEL_ERROR}
    assert "contains `inf`" in scores.rejected[0].detail
    good = np.setdiff1d(np.arange(32), culprits)
    assert same_bits(scores.values[good], expected[good])
    assert np.isnan(scores.values[culprits]).all()


def test_a_failing_booster_is_fatal_and_rejects_no_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    booster = loaded("logistic")

    def out_of_memory(_: Rows) -> Rows:
        raise xgboost.core.XGBoostError("std::bad_alloc")

    monkeypatch.setattr(booster, "_predict", out_of_memory)
    with pytest.raises(Fatal, match="bad_alloc"):
        booster.score(rows(8))


def test_a_score_that_is_not_finite_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "model.ubj"
    label = np.where(rows(400)[:, 0] > 0, 1e30, 1e-30)
    huge = xgboost.train({"objective": "count:poisson", "base_score": 1e30}, xgboost.DMatrix(rows(400), label), 8)
    huge.save_model(file)
    matrix = rows(50, seed=2) * 100
    expected = predict(huge, matrix)
    scores = load_booster(file).score(matrix)
    assert same_bits(scores.values, expected)
    assert not scores.rejected


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (NAMES, []),
        (
            ("alpha", "beta", "gamma", "delta"),
            ["4 columns; the model was trained on 5", "no column for the model's 'epsilon'"],
        ),
        ((*NAMES, "zeta"), ["6 columns", "the model does not know 'zeta'"]),
        (
            ("alpha", "betta", "gamma", "delta", "epsilon"),
            [
                "no column for the model's 'beta'; did you mean 'betta' for 'beta'?",
                "the model does not know 'betta'; did you mean 'beta' for 'betta'?",
            ],
        ),
        (("alpha", "gamma", "beta", "delta", "epsilon"), ["'gamma' is in the place of the model's 'beta'"]),
        (
            ("beta", "alpha", "gamma", "x", "y", "z"),
            ["6 columns", "'delta', 'epsilon'", "'x', 'y', 'z'", "'beta' is in the place of the model's 'alpha'"],
        ),
    ],
)
def test_all_columns_that_do_not_match_the_model_are_reported(names: tuple[str, ...], said: list[str]) -> None:
    found = [str(problem) for problem in loaded("logistic").problems(names)]
    assert len(found) == len(said)
    for problem, part in zip(found, said, strict=True):
        assert problem.startswith("plan.yaml: columns: ")
        assert part in problem


def test_without_names_only_the_count_can_be_wrong() -> None:
    booster = loaded("linear", named=False)
    assert booster.problems(list("vwxyz")) == []
    assert [problem.what for problem in booster.problems(list("vwxy"))] == ["4 columns"]


def test_a_long_list_of_names_is_truncated() -> None:
    found = loaded("logistic").problems([f"column{number}" for number in range(100)])
    assert any("and 90 more" in problem.what for problem in found)


def why_not(file: Path, limit_s: float = 60) -> str:
    with pytest.raises(Misconfigured) as caught:
        check_loads(file, limit_s)
    (problem,) = caught.value.problems
    assert problem.where == str(file)
    return problem.what


def test_a_good_model_passes_the_probe(tmp_path: Path) -> None:
    file = tmp_path / "model.ubj"
    train("categorical").save_model(file)
    assert load_booster(file).columns == COLUMNS


@pytest.mark.parametrize("ending", ["ubj", "json"])
def test_a_truncated_model_is_a_problem(ending: str, tmp_path: Path) -> None:
    whole = train("logistic").save_raw(ending)
    file = tmp_path / f"model.{ending}"
    file.write_bytes(whole[: len(whole) // 2])
    assert "is not a usable model" in why_not(file)


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"hello", b"{L\x00"])
def test_a_file_that_is_not_a_model_is_a_problem_with_the_reason(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "model.ubj"
    file.write_bytes(content)
    what = why_not(file)
    assert "/workspace" not in what
    assert "\n" not in what


def test_a_model_that_crashes_xgboost_is_a_problem_and_not_a_crash(tmp_path: Path) -> None:
    file = tmp_path / "model.json"

    def circle(learner: dict[str, object]) -> None:
        tree = learner["gradient_booster"]["model"]["trees"][0]  # type: ignore[index]
        tree["left_children"][0] = 10**8

    file.write_bytes(edited(train("logistic"), circle))
    assert "crashed" in why_not(file)


def test_a_model_that_keeps_xgboost_busy_is_a_problem(tmp_path: Path) -> None:
    file = tmp_path / "model.ubj"
    train("logistic").save_model(file)
    assert "still busy" in why_not(file, limit_s=0.01)


def test_a_missing_model_file_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="no such file"):
        load_booster(tmp_path / "model.ubj")


def test_the_objective_has_the_name_that_xgboost_saves(tmp_path: Path) -> None:
    file = tmp_path / "model.json"
    train("logistic").save_model(file)
    saved = json.loads(file.read_text())["learner"]["objective"]["name"]
    assert load_booster(file).objective == saved


@pytest.mark.parametrize("kind", ["logistic", "linear", "dart", "LightGBM"])
def test_a_model_is_freed_when_the_last_reference_goes(kind: str) -> None:
    """A cycle would keep each version that was replaced until a garbage collection, which is rare in a replica."""
    gc.collect()
    gc.disable()
    try:
        model = fresh(kind)
        model.score(rows(3))
        alive = weakref.ref(model)
        del model
        assert alive() is None
    finally:
        gc.enable()


def fresh(kind: str) -> Booster:
    if kind == "LightGBM":
        return lightgbms.loaded(lightgbms.train("binary"))
    return XGBooster(xgboost.Booster(model_file=train(kind).save_raw("ubj")))
