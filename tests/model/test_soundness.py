"""Models that contradict themselves: refused by reading them, before XGBoost follows what they say."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from scorer.model.saved import ubjson
from scorer.model.saved.nodes import Damaged
from scorer.model.saved.soundness import check

from .boosters import COLUMNS, KINDS, edited, grow, model_of, train

Change = Callable[[Any], Any]


@pytest.mark.parametrize("rounds", [0, 8])
@pytest.mark.parametrize("kind", KINDS)
def test_a_model_that_xgboost_wrote_is_sound(kind: str, rounds: int) -> None:
    booster = train(kind, rounds=rounds)
    check(ubjson.read(booster.save_raw("ubj"))["learner"])
    check(json.loads(booster.save_raw("json"))["learner"])


def test_a_pruned_tree_is_sound() -> None:
    pruned = grow("squarederror", 4, {"gamma": 20, "max_depth": 8, "tree_method": "exact"})
    check(ubjson.read(pruned.save_raw("ubj"))["learner"])


def tree(learner: Any, number: int = 0) -> Any:
    return model_of(learner)["trees"][number]


def shared_children(learner: Any) -> None:
    each = tree(learner, 3)
    each["left_children"][2], each["right_children"][2] = each["left_children"][1], each["right_children"][1]


def cycle_to_the_root(learner: Any) -> None:
    tree(learner)["left_children"][1], tree(learner)["right_children"][1] = 0, 1


def cut_off(learner: Any) -> None:
    tree(learner)["left_children"][1] = tree(learner)["right_children"][1] = -1


CHANGES: list[tuple[str, Change, str]] = [
    (
        "logistic",
        lambda it: tree(it)["left_children"].__setitem__(0, 10**8),
        "node 0: a split leads to a node that does not exist",
    ),
    (
        "logistic",
        lambda it: tree(it)["left_children"].__setitem__(0, -7),
        "a split leads to a node that does not exist",
    ),
    ("logistic", lambda it: tree(it)["right_children"].__setitem__(0, 5), "children are not side by side (1 and 5)"),
    ("logistic", shared_children, "tree 3, node 3: two branches of a tree lead to the same node"),
    ("logistic", cycle_to_the_root, "tree 0, node 0: two branches of a tree lead to the same node"),
    ("logistic", cut_off, "no split leads to"),
    ("logistic", lambda it: tree(it)["left_children"].__setitem__(0, -1), "node 0: it has only a right child (2)"),
    ("logistic", lambda it: tree(it, 2)["split_indices"].__setitem__(0, 5), "tree 2, node 0: a split reads feature 5"),
    ("logistic", lambda it: tree(it)["split_indices"].__setitem__(0, -1), "a split reads feature -1 of 5"),
    ("logistic", lambda it: tree(it)["split_indices"].pop(), "items in split_indices"),
    ("logistic", lambda it: tree(it)["default_left"].append(0), "items in default_left"),
    ("logistic", lambda it: tree(it)["default_left"].__setitem__(0, 2), "default_left holds 2"),
    ("logistic", lambda it: tree(it)["parents"].pop(), "items in parents"),
    ("logistic", lambda it: tree(it)["split_conditions"].__setitem__(0, "a"), "split_conditions is not a list of numb"),
    ("logistic", lambda it: tree(it)["split_indices"].__setitem__(0, 0.5), "split_indices is not a list of whole"),
    ("logistic", lambda it: tree(it)["left_children"].__setitem__(0, 2**80), "left_children is not a list of whole"),
    ("logistic", lambda it: tree(it)["tree_param"].update(num_nodes="4"), "it states 4 nodes, but has"),
    (
        "logistic",
        lambda it: tree(it)["tree_param"].update(num_feature="9"),
        "it states 9 features, but the model has 5",
    ),
    ("logistic", lambda it: tree(it)["tree_param"].update(num_deleted="2"), "but it states that 2 are deleted"),
    ("logistic", lambda it: tree(it).update(id=1), "its trees are not numbered"),
    ("logistic", lambda it: model_of(it)["trees"].pop(), "it states 8 trees, has 7"),
    ("logistic", lambda it: model_of(it)["tree_info"].pop(), "and outputs for 7"),
    ("logistic", lambda it: model_of(it)["gbtree_model_param"].update(num_trees="9"), "it states 9 trees"),
    (
        "logistic",
        lambda it: model_of(it)["tree_info"].__setitem__(1, 1),
        "tree 1: it adds to an output that is not one",
    ),
    ("softprob", lambda it: model_of(it)["tree_info"].__setitem__(1, -1), "an output that is not one of its 3 (-1)"),
    ("logistic", lambda it: model_of(it)["iteration_indptr"].pop(), "its rounds do not add up to its 8 trees"),
    ("logistic", lambda it: model_of(it)["iteration_indptr"].__setitem__(2, 7), "its rounds do not add up"),
    (
        "logistic",
        lambda it: it["learner_model_param"].update(num_feature="3"),
        "it states 3 features, but has 5 feat",
    ),
    ("logistic", lambda it: it["learner_model_param"].update(num_feature="-3"), "it states -3 features"),
    ("logistic", lambda it: it["learner_model_param"].update(num_class="-3"), "it states -3 classes"),
    ("logistic", lambda it: it["feature_names"].pop(), "but has 4 feature names"),
    ("categorical", lambda it: it["feature_types"].append("q"), "but has 6 feature types"),
    ("categorical", lambda it: it["feature_types"].__setitem__(1, "k"), "it has a feature of type 'k'"),
    ("dart", lambda it: it["gradient_booster"]["weight_drop"].pop(), "it has 8 trees, but weights for 7"),
    ("dart", lambda it: tree(it)["left_children"].__setitem__(0, 2), "its children are not side by side"),
    ("linear", lambda it: model_of(it)["weights"].pop(), "5 weights for 5 features and 1 outputs"),
    ("vector-leaf", lambda it: tree(it)["leaf_weights"].pop(), "31 weights for vectors of 2"),
    (
        "vector-leaf",
        lambda it: tree(it)["right_children"].__setitem__(-1, 16),
        "a leaf whose vector does not exist (16)",
    ),
    ("categorical", lambda it: tree(it)["categories"].pop(), "its sets of categories overlap"),
    ("categorical", lambda it: tree(it)["categories_sizes"].__setitem__(0, -1), "its sets of categories overlap"),
    ("categorical", lambda it: tree(it)["categories_segments"].__setitem__(1, 0), "its sets of categories overlap"),
    ("categorical", lambda it: tree(it)["categories_segments"].pop(), "its sets of categories overlap"),
    ("categorical", lambda it: tree(it)["categories_nodes"].__setitem__(0, 99), "it has categories of node 99"),
    ("categorical", lambda it: tree(it)["categories"].__setitem__(0, -1), "a set has the category -1"),
    (
        "categorical",
        lambda it: tree(it)["categories_nodes"].__setitem__(-1, 0),
        "it has categories it cannot use",
    ),
    ("categorical", lambda it: tree(it)["split_type"].__setitem__(0, 3), "split_type holds 3"),
]


@pytest.mark.parametrize(("kind", "change", "said"), CHANGES)
def test_an_inconsistent_model_is_refused_with_the_reason(kind: str, change: Change, said: str) -> None:
    learner = json.loads(edited(train(kind), change))["learner"]
    with pytest.raises(Damaged) as caught:
        check(learner)
    assert said in str(caught.value)


def test_categories_without_split_types_are_refused() -> None:
    learner = json.loads(train("categorical").save_raw("json"))["learner"]
    for each in model_of(learner)["trees"]:
        del each["split_type"]
    with pytest.raises(Damaged, match="it has categories it cannot use"):
        check(learner)


def test_a_model_from_before_categorical_support_is_sound() -> None:
    learner = json.loads(train("logistic").save_raw("json"))["learner"]
    for each in model_of(learner)["trees"]:
        for key in ("split_type", "categories", "categories_nodes", "categories_segments", "categories_sizes"):
            del each[key]
    del model_of(learner)["iteration_indptr"], model_of(learner)["cats"]
    check(learner)
    assert len(learner["feature_names"]) == COLUMNS
