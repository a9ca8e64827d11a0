"""Mutants of the roll-out: of the follower, the arms, the shadows and ensembles."""

from tests.mutants.mutant import Mutant

ARMS = "tests/rollout/test_arms.py::"
FOLLOWER = "tests/rollout/test_follower.py::"
SHADOWS = "tests/rollout/test_shadows.py::"
BROKEN = FOLLOWER + "test_a_broken_version_is_not_served_until_it_is_mended"
RETRIED = FOLLOWER + "test_a_shadow_that_could_not_be_loaded_is_retried_and_keeps_nobody_waiting"

MUTANTS = [
    Mutant(
        "a version that does not give its golden scores takes traffic",
        "scorer.replica.follower:Follower._load",
        "require_golden(serving)",
        "pass",
        BROKEN + "[golden]",
    ),
    Mutant(
        "a damaged version ends what follows the state",
        "scorer.replica.follower:Follower._change",
        "self._failed = state, time.monotonic() + RETRY_SECONDS",
        "raise",
        BROKEN + "[damaged]",
    ),
    Mutant(
        "a version that failed is never tried again",
        "scorer.replica.follower:Follower.take",
        "time.monotonic() >= self._failed[1]",
        "False",
        BROKEN + "[absent]",
    ),
    Mutant(
        "a canary that gives other scores than consumers expect is served",
        "scorer.serving.lineup:Lineup.__init__",
        "canary.outputs != outputs",
        "False",
        FOLLOWER + "test_a_canary_with_other_outputs_than_the_champion_is_not_served",
    ),
    Mutant(
        "the follower's thread switches, in the middle of a batch",
        "scorer.replica.follower:Follower._change",
        "self._failed, self._pending = None, ready",
        "self._failed, self._ready = None, ready; self._around.served(ready.lineup)",
        FOLLOWER + "test_the_loop_alone_switches_and_what_it_holds_stays_as_it_is",
    ),
    Mutant(
        "a batch keeps the arms that it got before a switch",
        "scorer.replica.pipeline:InHand.prepared_by",
        "self.prepared if self.core is core else None",
        "self.prepared",
        FOLLOWER + "test_a_batch_that_another_core_prepared_is_prepared_again",
    ),
    Mutant(
        "the arm of an event depends on where it stands",
        "scorer.rollout.arms:assign",
        "_mixed(hashed ^ salts[canary])",
        "_mixed(hashed ^ salts[canary] ^ row)",
        ARMS + "test_the_arms_of_some_keys_never_change",
    ),
    Mutant(
        "a larger share has other keys",
        "scorer.rollout.arms:assign",
        "_mixed(hashed ^ salts[canary])",
        "_mixed(hashed ^ salts[canary] ^ thresholds[canary])",
        ARMS + "test_a_larger_share_has_all_keys_of_a_smaller_one",
    ),
    Mutant(
        "a canary takes its share of what is left, not of all events",
        "scorer.rollout.arms:Arms.__init__",
        "_RANGE * canary.hundredths // rest if rest else 0",
        "_RANGE * canary.hundredths // WHOLE",
        ARMS + "test_each_canary_gets_its_share",
    ),
    Mutant(
        "a shadow writes to users' topic",
        "scorer.replica.app:_follower",
        "SpareWriter(settings.kafka, topic, metrics.shadows)",
        "SpareWriter(settings.kafka, settings.kafka.output_topic, metrics.shadows)",
        "tests/delivery/test_rollout.py::test_a_shadow_scores_for_its_own_topic_alone",
    ),
    Mutant(
        "the loop waits for a slow shadow",
        "scorer.replica.shadows:ShadowArm.offer",
        "self._waiting.put_nowait(records)",
        "self._waiting.put(records)",
        SHADOWS + "test_a_slow_shadow_keeps_nobody_waiting_and_says_what_it_dropped",
    ),
    Mutant(
        "a failure ends a shadow",
        "scorer.replica.shadows:ShadowArm._score",
        "self._outlet.count('dropped', len(records))",
        "self._outlet.count('dropped', len(records)); raise",
        SHADOWS + "test_a_failing_shadow_drops_the_batch_and_scores_the_next_one",
    ),
    Mutant(
        "a shadow scores every batch, whatever its sample",
        "scorer.replica.shadows:ShadowArm.offer",
        "self.shadow.sample",
        "1",
        SHADOWS + "test_a_shadow_scores_its_sample_of_the_batches",
    ),
    Mutant(
        "a shadow that could not be loaded never scores",
        "scorer.replica.follower:Follower.take",
        "self._retry_shadows()",
        "pass",
        RETRIED,
    ),
    Mutant(
        "a shadow that cannot be loaded keeps the others from being served",
        "scorer.replica.follower:Follower._shadows",
        "self._shadows_due = time.monotonic() + RETRY_SECONDS",
        "raise",
        RETRIED,
    ),
    Mutant(
        "a dead letter of a refused prediction names the champion",
        "scorer.kafka.delivery.published:Published.reject",
        "rejected.version or self.payloads.version(rejected.row)",
        "rejected.version",
        "tests/kafka/delivery/test_published.py",
    ),
    Mutant(
        "an ensemble is summed in float32",
        "scorer.scoring.combining:Mean.of",
        "weight * each",
        "(weight * each).astype(np.float32)",
        "tests/scoring/test_combining.py",
    ),
    Mutant(
        "a rank depends on the batch",
        "scorer.scoring.combining:Ranks.of",
        "ranks[at] + part * (ranks[at + 1] - ranks[at])",
        "(np.argsort(np.argsort(wanted)) + 0.5) / len(wanted)",
        "tests/scoring/test_combining.py",
    ),
    Mutant(
        "an event that one version of an ensemble refuses is scored by the others",
        "scorer.scoring.split:SplitScorer._score_part",
        "[replace(each, row=int(rows[each.row])) for each in part.matrix.rejected]",
        "[replace(each, row=int(rows[each.row])) for each in part.matrix.rejected if not isinstance(arm, Blend)]",
        "tests/scoring/test_split.py::test_an_ensemble_gives_each_row_the_mean_of_what_its_versions_give_alone",
    ),
]
