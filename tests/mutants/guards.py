"""Mutants of the guards: of the sums that replicas tell each other, and of the verdict on a canary."""

from tests.mutants.mutant import Mutant

BOARD = "tests/rollout/test_board.py::"
GUARDING = "tests/group/test_guarding.py::"
SPLIT = "tests/scoring/test_split.py::"
VERDICT = "tests/rollout/test_verdict.py::"

MUTANTS = [
    Mutant(
        "a large difference withdraws a canary though it may be chance",
        "scorer.rollout.verdict:_scores",
        "index <= guards.psi or difference(mine, other) < EVIDENCE",
        "index <= guards.psi",
        VERDICT + "test_a_large_difference_that_may_be_chance_stays",
    ),
    Mutant(
        "events of one key are independent",
        "scorer.rollout.sums:ArmSums.independent",
        "self.events ** 2 / max(squares, self.events) if self.events else 0.0",
        "float(self.events)",
        "tests/rollout/test_guarded_group.py::test_a_good_version_is_never_withdrawn_in_a_million_events",
    ),
    Mutant(
        "sums of an earlier window count in this one",
        "scorer.rollout.board:Board.heard",
        "sums.window < self.window",
        "False",
        BOARD + "test_what_is_told_too_late_for_a_window_counts_in_the_next",
    ),
    Mutant(
        "what was told too late for a window is lost",
        "scorer.rollout.tally:Tally._follow",
        "number > counted",
        "False",
        BOARD + "test_what_is_told_too_late_for_a_window_counts_in_the_next",
    ),
    Mutant(
        "every replica withdraws the canary",
        "scorer.group.guarding:Guardian._withdraw",
        "decision.replica != self.tally.replica and time.monotonic() - self._seen[1] < PATIENCE_SECONDS",
        "False",
        GUARDING + "test_another_withdraws_only_if_the_one_that_should_does_not",
    ),
    Mutant(
        "a canary that raises ends the replica",
        "scorer.scoring.split:SplitScorer._score_rows",
        "voice.number == CHAMPION",
        "True",
        SPLIT + "test_a_canary_that_raises_rejects_its_own_rows_and_disturbs_no_other",
    ),
    Mutant(
        "a canary's dead letters end the replica",
        "scorer.kafka.dead_letters.write:DeadLetterLimit.check",
        "each.version not in self.exempt",
        "True",
        "tests/kafka/dead_letters/test_limit.py::test_dead_letters_of_guarded_canaries_do_not_count",
    ),
]
