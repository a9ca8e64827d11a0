"""Mutants of the formats of models."""

from tests.mutants.mutant import Mutant

LIGHTGBM = "tests/model/test_lightgbm.py::"
BITS = LIGHTGBM + "test_scores_are_those_of_lightgbm_bit_for_bit_whatever_the_batch"
MISSING = LIGHTGBM + "test_each_kind_of_missing_value_at_each_threshold_goes_where_lightgbm_sends_it"
REFUSED = LIGHTGBM + "test_a_model_that_is_not_scored_is_refused_with_the_reason"

MUTANTS = [
    Mutant(
        "a version that was replaced stays in memory",
        "scorer.model.xgboost.booster:XGBooster._by_itself",
        "self.booster_kind == 'gbtree'",
        "setattr(self, '_kept', self._by_itself) or self.booster_kind == 'gbtree'",
        "tests/model/test_booster.py::test_a_model_is_freed_when_the_last_reference_goes[linear]",
    ),
    Mutant(
        "a score of ONNX that is NaN is published",
        "scorer.model.onnx.booster:OnnxGraph._score",
        "row not in refused_already",
        "False",
        "tests/model/test_onnx.py::test_a_row_without_a_score_is_refused",
    ),
    Mutant(
        "thresholds of float64 are rounded to the nearest float32",
        "scorer.model.imported.grown:smallest_right",
        "nearest > thresholds if inclusive else nearest >= thresholds",
        "True",
        BITS,
    ),
    Mutant(
        "numbers that LightGBM takes for zeros are compared as they are",
        "scorer.model.imported.lightgbm_trees:_smallest_right",
        "right[(thresholds >= -ZERO) & (thresholds < 0)] = -ZERO",
        "pass",
        MISSING,
    ),
    Mutant(
        "a missing value goes its default way where LightGBM takes it for a zero",
        "scorer.model.imported.lightgbm_trees:Trees._nodes",
        "kind >> 2 & 3",
        "kind < 4",
        MISSING,
    ),
    Mutant(
        "a random forest is not divided by its rounds",
        "scorer.model.imported.booster:ImportedTrees.margins",
        "self.grown.divisor != 1",
        "False",
        BITS,
    ),
    Mutant(
        "there is room for as many leaves as a file states",
        "scorer.model.imported.lightgbm_trees:Trees.__init__",
        "len(needed(tree, 'leaf_value')) < 2 * count - 1",
        "False",
        REFUSED,
    ),
    Mutant(
        "a child beyond its tree is followed",
        "scorer.model.imported.lightgbm_trees:Trees._children",
        "self._split & ((child >= splits) | (child < -splits - 1))",
        "np.zeros(0)",
        REFUSED,
    ),
    Mutant(
        "scores of float64 are rounded where arms have different formats",
        "scorer.scoring.split:SplitScorer.__init__",
        "np.result_type(*(each.numbers for each in boosters))",
        "np.float32",
        "tests/delivery/test_formats.py",
    ),
    Mutant(
        "scores of two classes are the probabilities of the first",
        "scorer.model.imported.treelite:_read",
        "range(1, 2)",
        "range(1)",
        "tests/model/test_treelite.py::test_scores_are_those_of_scikit_learn",
    ),
    Mutant(
        "an ONNX graph may name another file",
        "scorer.model.onnx.graph:_check",
        "kind == 'tensor' and field.number in _EXTERNAL and field.value",
        "False",
        "tests/model/test_onnx.py::test_a_graph_that_is_not_scored_is_refused_with_the_reason",
    ),
    Mutant(
        "scores of a graph depend on the batch",
        "scorer.model.onnx.booster:OnnxGraph._depends_on_batch",
        "any(part.tobytes() != whole.tobytes() for part in parts)",
        "False",
        "tests/model/test_onnx.py::test_scores_that_depend_on_the_batch_are_computed_row_by_row",
    ),
    Mutant(
        "nodes of treelite are read in any order",
        "scorer.model.imported.treelite:_Trees.__init__",
        "(number + self.starts[tree] != np.arange(len(tree))).any()",
        "False",
        "tests/model/test_treelite.py::test_a_model_that_is_not_scored_is_refused_with_the_reason",
    ),
    Mutant(
        "scores of float64 are said to be float32",
        "scorer.rest.dialects.oip:_datatype",
        "8 * np.result_type(*(each.numbers for each in site.boosters)).itemsize",
        "32",
        "tests/rest/test_formats.py",
    ),
]
