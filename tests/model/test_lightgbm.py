"""Models of LightGBM: every score is LightGBM's own, bit for bit, and what is not scored is refused by name."""

import random

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scorer.errors import Misconfigured
from scorer.model import Given
from scorer.model.imported.grown import smallest_right

from .boosters import COLUMNS, COMPILES
from .lightgbms import KINDS, ROUNDS, edges, grow, loaded, predict, refusal, rows, same_bits, train

ROOMY = 1 << 30


@pytest.mark.parametrize("categorical", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_scores_are_those_of_lightgbm_bit_for_bit_whatever_the_batch(kind: str, categorical: bool) -> None:  # noqa: FBT001
    text = train(kind, categorical=categorical)
    ours, values = loaded(text), np.concatenate([rows(300, seed=2), edges(300)])
    expected = predict(text, values)
    assert same_bits(ours.score(values).values, expected)
    for size in (1, 3, 127, 129):
        assert same_bits(ours.score(values[:size]).values, expected[:size])
        assert same_bits(ours.score(np.asfortranarray(values[-size:])).values, expected[-size:])
    none = ours.score(values[:0])
    assert none.values.shape == (0, *expected.shape[1:])  # noqa: PD011  no frame


@pytest.mark.parametrize("zero", [0, 4, 8])  # what is a missing value: nothing, zeros, NaN
@pytest.mark.parametrize("left", [0, 2])
@pytest.mark.parametrize("threshold", [-1.5, -1e-36, 0.0, 1e-36, 1.5, "inf", 1e300, -1e300, 3.4028235e38])
def test_each_kind_of_missing_value_at_each_threshold_goes_where_lightgbm_sends_it(
    zero: int, left: int, threshold: float | str
) -> None:
    text = train("stumps").replace("split_feature=1", "split_feature=0").replace("split_feature=2", "split_feature=0")
    lines = text.split("\n")
    for at, line in enumerate(lines):
        if line.startswith("decision_type="):
            lines[at] = f"decision_type={zero + left}"
        if line.startswith("threshold="):
            lines[at] = f"threshold={threshold}"
        if line.startswith("tree_sizes="):
            lines[at] = ""
    text = "\n".join(lines)
    values = np.zeros((12, COLUMNS), np.float32)
    values[:, 0] = [np.nan, 0, -0.0, 1e-36, -1e-36, 1e-35, -1e-35, 1.5, -1.5, 2, 3.4028235e38, -3.4028235e38]
    assert same_bits(loaded(text).score(values).values, predict(text, values))


@given(st.floats(allow_nan=False), st.floats(allow_nan=False, allow_infinity=False, width=32), st.booleans())
def test_a_threshold_of_float64_divides_float32_as_it_would_itself(threshold: float, value: float, near: bool) -> None:  # noqa: FBT001
    with np.errstate(over="ignore"):
        tried = np.float32(threshold) if near and np.isfinite(np.float32(threshold)) else np.float32(value)
    for inclusive in (False, True):
        (right,) = smallest_right(np.array([threshold]), inclusive=inclusive)
        goes_left = float(tried) <= threshold if inclusive else float(tried) < threshold
        assert (tried >= right) != goes_left


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**31), st.integers(2, 40), st.integers(1, 200), st.sampled_from(["binary", "regression"]))
def test_trees_of_any_shape_agree_with_lightgbm(seed: int, leaves: int, least: int, objective: str) -> None:
    values = rows(400, seed)
    labels = np.random.default_rng(seed).random(400) > 0.5
    given_ = {"objective": objective, "num_leaves": leaves, "min_data_in_leaf": least, "num_threads": 1}
    text = grow(values, labels.astype(np.float64), given_ | {"verbosity": -1}, categorical=bool(seed % 2))
    tried = np.concatenate([values, edges(200, seed)])
    assert same_bits(loaded(text).score(tried).values, predict(text, tried))


def test_a_model_knows_its_columns_categories_and_rounds() -> None:
    frame = pd.DataFrame(rows(1_500), columns=["alpha", "beta", "gamma", "delta", "epsilon"])
    frame["gamma"] = pd.Categorical.from_codes(frame["gamma"].fillna(0).astype(int), ["red", "green", "blue"])
    frame["beta"] = pd.Categorical.from_codes(frame["beta"].fillna(0).astype(int), list(range(100, 140)))
    labels = (frame["alpha"].fillna(0) + (frame["gamma"] == "red") > 0).to_numpy(np.float64)
    text = grow(frame, labels, {"objective": "binary", "verbosity": -1, "num_threads": 1}, categorical=False)
    ours = loaded(text)
    assert ours.names == ("alpha", "beta", "gamma", "delta", "epsilon")
    assert ours.columns == COLUMNS
    assert ours.categories == ((), tuple(range(100, 140)), ("red", "green", "blue"), (), ())
    assert ours.feature_types == ("float", "c", "c", "float", "float")
    assert (ours.objective, ours.booster_kind, ours.classes) == ("binary", "boosted trees", 1)
    assert (ours.trees, ours.rounds.there, ours.rounds.used) == (ROUNDS, ROUNDS, ROUNDS)
    assert ours.path == ("compiled" if COMPILES else "LightGBM: numba's compiler is switched off")
    order = [Given(name, (), computed=False) for name in ours.names]
    order[2] = Given("gamma", ("green", "red", "blue"), computed=False)
    assert "the same ones in another order" in str(ours.category_problems(order)[1])
    assert "add golden events" in ours.concerns(order, proven=False)[-1]
    assert ours.concerns(order, proven=True) == []
    assert "no column for the model's 'gamma'" in str(ours.problems(["alpha", "beta"])[1])
    assert loaded(train("binary")).names is None
    assert sum(map(len, ours.splits())) > 0
    assert ours.gains()[0] == max(ours.gains())


@pytest.mark.parametrize("kind", ["binary", "multiclass", "forest", "forest-classes"])
def test_the_first_rounds_score_alone(kind: str) -> None:
    text, values = train(kind), rows(100)
    assert same_bits(loaded(text, 5).score(values).values, predict(text, values, num_iteration=5))
    assert loaded(text, 5).trees == 5 * loaded(text, 5).classes
    assert same_bits(loaded(text, "all").score(values).values, predict(text, values))
    with pytest.raises(Misconfigured, match="use at most 12"):
        loaded(text, 13)
    with pytest.raises(Misconfigured, match="has no best round"):
        loaded(text, "best")


@pytest.mark.parametrize("categorical", [False, True])
@pytest.mark.parametrize("kind", ["binary", "regression", "multiclass", "forest", "zeros-missing", "stumps"])
@pytest.mark.skipif(not COMPILES, reason="nothing is explained without the compiler")
def test_contributions_are_those_of_lightgbm_and_add_up_to_the_margin(kind: str, categorical: bool) -> None:  # noqa: FBT001
    text, values = train(kind, categorical=categorical), edges(200)
    ours = loaded(text)
    found = ours.explainer(ROOMY).contributions(values)
    theirs = predict(text, values, pred_contrib=True).reshape(found.shape)
    if kind == "forest":
        theirs /= ROUNDS  # LightGBM explains the sum of a random forest, which it does not predict
    assert np.abs(found - theirs).max() < 1e-6
    assert np.abs(found.sum(axis=2) - ours.margins(values)).max() < 1e-6


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("version=v4", "version=v9", "its version is 'v9'; known are v2, v3, v4"),
        ("objective=binary", "objective=novel", "its objective is 'novel'"),
        ("sigmoid:1", "sigmoid:-1", "sigmoid:-1, which is no positive number"),
        ("is_linear=0", "is_linear=1", "linear models (linear_tree)"),
        ("end of trees", "the end", "it is not complete"),
        ("Tree=3", "Tree=30", "not numbered from 0"),
        ("max_feature_idx=4", "max_feature_idx=5", "it states 6 features, but has 5 names"),
        ("max_feature_idx=4", "max_feature_idx=99999999999999999999", "expected a whole number from 0"),
        ("num_tree_per_iteration=1", "num_tree_per_iteration=5", "are not whole rounds of 5"),
        ("num_leaves=12", "num_leaves=16000000", "it states 16000000 leaves, but has values for fewer"),
        ("num_leaves=12", "num_leaves=11", "expected 10"),
        ("left_child=1", "left_child=700", "left_child leads to 700, which does not exist"),
        ("left_child=1", "left_child=-700", "left_child leads to -700, which does not exist"),
        ("left_child=1", "left_child=0", "two branches of a tree lead to the same node"),
        ("split_feature=", "split_feature=9", "a split reads a feature that is not one of its 5"),
        ("decision_type=", "decision_type=77", "unknown decision type"),
        ("threshold=", "threshold=nan ", "expected 11"),
        ("leaf_value=", "leaf_value=x", "leaf_value is not a list of numbers"),
    ],
)
def test_a_model_that_is_not_scored_is_refused_with_the_reason(old: str, new: str, why: str) -> None:
    said = refusal(train("binary").replace(old, new, 1))
    assert "is not a usable model: " in said
    assert why in said
    assert "booster.save_model('model.txt')" in said


def test_a_threshold_that_is_not_a_number_is_refused() -> None:
    lines = train("stumps").split("\n")
    at = next(at for at, line in enumerate(lines) if line.startswith("threshold="))
    lines[at] = "threshold=nan"
    assert "threshold has a number that is not finite" in refusal("\n".join(lines))


def test_bytes_changed_at_random_are_refused_or_scored_and_never_crash() -> None:
    model = train("multiclass", categorical=True).partition("\nparameters:")[0].encode()
    draw, values, found = random.Random(5), edges(20), {"refused": 0, "scored": 0}  # noqa: S311  seeded on purpose
    for _ in range(300):
        data = bytearray(model)
        for _ in range(draw.choice([1, 1, 3, 20])):
            data[draw.randrange(len(data))] = draw.choice([draw.randrange(256), *b"0123456789-.e =\n"])
        said = refusal(bytes(data))
        found["refused" if said else "scored"] += 1
        assert not said or ("is not a usable model: " in said and "\n" not in said), said
        if not said and (ours := loaded(data.decode())).columns == COLUMNS:
            ours.score(values)
    assert min(found.values()) > 30


def test_a_chain_of_splits_is_read_in_time_or_refused() -> None:
    leaves = 20_000
    splits = range(leaves - 1)
    lines = {
        "num_leaves": [leaves],
        "num_cat": [0],
        "split_feature": [0] * (leaves - 1),
        "threshold": splits,
        "decision_type": [2] * (leaves - 1),
        "left_child": [~at for at in splits],
        "right_child": [*range(1, leaves - 1), ~(leaves - 1)],
        "leaf_value": range(leaves),
    }
    tree = "\n".join(f"{name}={' '.join(map(str, numbers))}" for name, numbers in lines.items())
    head = train("binary").partition("\nTree=")[0]
    assert "deeper than 10,000 splits" in refusal(f"{head}\nTree=0\n{tree}\n\nend of trees\n")


def test_a_file_cut_anywhere_is_refused() -> None:
    text = train("multiclass", categorical=True)
    whole = text.index("\nend of trees\n")
    for end in np.random.default_rng(0).integers(20, whole, 100).tolist():
        assert "it is not complete" in refusal(text[:end])
