"""Mutants of what was proven of models, and of where it is kept."""

from tests.mutants.mutant import Mutant

PROOFS = "tests/model/test_proofs.py::"
MODULE = "scorer.model.xgboost.proofs:"
OUTLIVES = PROOFS + "test_a_proof_does_not_outlive_what_it_rests_on"
OTHERS = PROOFS + "test_an_entry_that_others_could_have_written_is_not_used"

MUTANTS = [
    Mutant(
        "damaged trees score",
        MODULE + "Proof.read",
        "entry[:_DIGEST] == _digest(file.name, entry[_DIGEST:])",
        "True",
        PROOFS + "test_a_damaged_entry_is_not_used_and_is_written_again",
    ),
    Mutant(
        "the trees of another model score",
        MODULE + "_digest",
        "name.encode() + packed",
        "packed",
        PROOFS + "test_the_entry_of_another_model_is_not_used",
    ),
    Mutant("trees that others wrote score", MODULE + "Proof.read", "doubt(file.parent, {ENDING})", "None", OTHERS),
    Mutant("trees are kept where others write", MODULE + "Proof.write", "doubt(file.parent, {ENDING})", "None", OTHERS),
    Mutant(
        "a changed model is scored as it was",
        MODULE + "Proof._file",
        "(self._model, self._how, _basis())",
        "(self._how, _basis())",
        PROOFS + "test_another_model_another_ending_and_other_rounds_are_proven_on_their_own",
    ),
    Mutant(
        "other rounds score than were asked for",
        MODULE + "Proof._file",
        "(self._model, self._how, _basis())",
        "(self._model, _basis())",
        PROOFS + "test_another_model_another_ending_and_other_rounds_are_proven_on_their_own",
    ),
    Mutant(
        "a proof outlives a change of the kernels",
        MODULE + "_basis",
        "(_SOURCES, np.__version__, numba.__version__, config.DISABLE_JIT)",
        "(np.__version__, numba.__version__, config.DISABLE_JIT)",
        OUTLIVES,
    ),
    Mutant(
        "a proof outlives a change of a file in a room",
        MODULE + "_hash_of",
        'folder.rglob("*.py")',
        'folder.glob("*.py")',
        OUTLIVES,
    ),
    Mutant(
        "a proof outlives a version of XGBoost",
        MODULE + "_basis",
        "(version, tools, machine)",
        "(tools, machine)",
        OUTLIVES,
    ),
    Mutant(
        "a program of which nothing is known keeps proofs",
        MODULE + "_basis",
        "not _SOURCES",
        "False",
        PROOFS + "test_an_installation_without_sources_proves_nothing",
    ),
    Mutant(
        "trees that disagree with the booster are kept",
        "scorer.model.xgboost.agreement:compile_trees",
        "compare(ensemble.predict(rows), predict(rows))",
        "None",
        PROOFS + "test_only_what_agreed_with_the_booster_is_kept",
    ),
    Mutant(
        "a model is kept as the one that it replaced",
        "scorer.model.load:_with_xgboost",
        "not proof.is_of(_read(file))",
        "False",
        PROOFS + "test_a_file_that_is_replaced_while_it_is_loaded_is_not_kept_as_what_it_was",
    ),
    Mutant(
        "what is kept grows for ever",
        MODULE + "_prune",
        "old.unlink(missing_ok=True)",
        "None",
        PROOFS + "test_what_was_not_used_for_the_longest_time_goes",
    ),
    Mutant(
        "the model that scores every day is the first to go",
        MODULE + "Proof.read",
        "os.utime(file)",
        "None",
        PROOFS + "test_what_was_not_used_for_the_longest_time_goes",
    ),
    Mutant(
        "golden events are not compared with the booster",
        "scorer.model.xgboost.proven:ProvenTrees.confirm",
        "self._booster().confirm(matrix)",
        "None",
        PROOFS + "test_proven_trees_that_disagree_on_a_row_are_no_longer_used",
    ),
]
