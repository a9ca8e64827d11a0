"""Early stopping: which rounds score, and that the rest is left out as XGBoost leaves it out."""

from pathlib import Path

import numpy as np
import pytest
import xgboost

from scorer.errors import Misconfigured
from scorer.model import Rounds, load_booster, parse_rounds

from .boosters import KINDS, ROUNDS, Rows, grow, is_categorical, rows, same_bits

SLICEABLE = sorted(kind for kind in KINDS if not kind.startswith("linear"))


def save(booster: xgboost.Booster, folder: Path, best: object = None, ending: str = "ubj") -> Path:
    if best is not None:
        booster.set_attr(best_iteration=str(best))
    file = folder / f"model.{ending}"
    booster.save_model(file)
    return file


def expected(file: Path, matrix: Rows, rounds: int) -> Rows:
    booster = xgboost.Booster(model_file=file)
    data = xgboost.DMatrix(matrix, feature_names=booster.feature_names, feature_types=booster.feature_types)
    scores: Rows = booster.predict(data, iteration_range=(0, rounds))
    return scores


@pytest.mark.parametrize("kind", SLICEABLE)
def test_the_best_rounds_score_as_they_do_in_xgboost(kind: str, tmp_path: Path) -> None:
    file = save(grow(kind, ROUNDS, {}), tmp_path, best=2)
    matrix = rows(300, seed=3, categorical=is_categorical(kind))
    booster = load_booster(file, "best")
    assert same_bits(booster.score(matrix).values, expected(file, matrix, 3))
    assert booster.rounds.used == 3


@pytest.mark.parametrize(("asked", "used"), [(1, 1), (ROUNDS, ROUNDS), ("all", ROUNDS), (None, ROUNDS)])
def test_the_requested_number_of_rounds_is_used(asked: Rounds | None, used: int, tmp_path: Path) -> None:
    file = save(grow("logistic", ROUNDS, {}), tmp_path, best=2)
    booster = load_booster(file, asked)
    assert same_bits(booster.score(rows(50)).values, expected(file, rows(50), used))
    assert booster.trees == booster.rounds.used == used


def test_rounds_of_several_trees_are_dropped_completely(tmp_path: Path) -> None:
    file = save(grow("softprob", 4, {"num_parallel_tree": 3}), tmp_path, best=1, ending="json")
    booster = load_booster(file, "best")
    assert booster.trees == 2 * 3 * 3
    assert same_bits(booster.score(rows(50)).values, expected(file, rows(50), 2))


def test_the_booster_drops_the_same_rounds_as_compiled_trees(tmp_path: Path) -> None:
    file = save(grow("aft", ROUNDS, {}), tmp_path, best=4)
    booster = load_booster(file, "best")
    assert booster.path.startswith("booster: ")
    assert same_bits(booster.score(rows(50)).values, expected(file, rows(50), 5))


def test_names_and_types_are_kept_when_rounds_are_dropped(tmp_path: Path) -> None:
    file = save(grow("categorical", ROUNDS, {}), tmp_path, best=1)
    whole, cut = load_booster(file), load_booster(file, "best")
    assert (cut.names, cut.feature_types, cut.columns) == (whole.names, whole.feature_types, whole.columns)
    assert (cut.objective, cut.classes) == (whole.objective, whole.classes)


def test_early_stopping_by_xgboost_is_detected(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    data = rng.normal(size=(600, 4)).astype(np.float32)
    label = data[:, 0] + rng.normal(0, 1.5, 600) > 0
    halves = xgboost.DMatrix(data[:300], label[:300]), xgboost.DMatrix(data[300:], label[300:])
    booster = xgboost.train(
        {"objective": "binary:logistic", "eta": 0.5, "nthread": 1},
        halves[0],
        200,
        evals=[(halves[1], "valid")],
        early_stopping_rounds=10,
        verbose_eval=False,
    )
    found = load_booster(save(booster, tmp_path))
    best = booster.best_iteration + 1
    assert (found.rounds.best, found.rounds.used) == (best, booster.num_boosted_rounds())
    assert f"all of its {best + 10} rounds, but early stopping found the first {best} best" in found.rounds.concern
    assert str(found.rounds) == f"{best + 10} of {best + 10}; early stopping found the first {best} best"


@pytest.mark.parametrize("asked", ["best", "all", 2])
def test_explicitly_chosen_rounds_cause_no_warning(asked: Rounds, tmp_path: Path) -> None:
    assert load_booster(save(grow("logistic", ROUNDS, {}), tmp_path, best=2), asked).rounds.concern == ""


@pytest.mark.parametrize("noted", [None, ROUNDS - 1, ROUNDS + 5, "abc", "-1", ""])
def test_there_is_no_warning_if_no_round_follows_the_best(noted: object, tmp_path: Path) -> None:
    assert load_booster(save(grow("logistic", ROUNDS, {}), tmp_path, noted)).rounds.concern == ""


@pytest.mark.parametrize(
    ("kind", "noted", "asked", "said"),
    [
        ("logistic", None, "best", "is best, but the file has no best round"),
        ("logistic", 20, "best", "is best, which would be the first 21, but the model has 8 rounds; use at most"),
        ("logistic", None, 9, "is 9, but the model has 8 rounds; use at most 8"),
        ("linear", 2, "best", "a model of this kind can only score with all of its rounds"),
        ("linear", None, 3, "a model of this kind can only score with all of its rounds"),
    ],
)
def test_rounds_that_the_model_does_not_have_are_refused(
    kind: str, noted: object, asked: Rounds, said: str, tmp_path: Path
) -> None:
    file = save(grow(kind, ROUNDS, {}), tmp_path, noted)
    with pytest.raises(Misconfigured) as caught:
        load_booster(file, asked)
    assert said in str(caught.value)


def test_gblinear_has_no_rounds_to_drop_and_causes_no_warning(tmp_path: Path) -> None:
    assert load_booster(save(grow("linear", ROUNDS, {}), tmp_path, best=2)).rounds.concern == ""


@pytest.mark.parametrize(("value", "rounds"), [("best", "best"), ("all", "all"), (3, 3), ("12", 12)])
def test_rounds_are_best_all_or_a_number(value: object, rounds: Rounds) -> None:
    assert parse_rounds(value) == rounds


@pytest.mark.parametrize("value", ["", "0", 0, -1, "-1", 1.5, True, "BEST", "bset", [], {}, "1" * 5000])
def test_other_values_for_rounds_are_refused(value: object) -> None:
    with pytest.raises(ValueError, match="expected best, all or a number from 1"):
        parse_rounds(value)
