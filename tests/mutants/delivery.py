"""Mutants of writing predictions and committing offsets."""

from tests.mutants.mutant import Mutant

CHECKPOINT = "tests/kafka/delivery/test_checkpoint.py"
TRANSACTIONS = "tests/kafka/delivery/test_exactly_once.py"
GUARANTEES = "tests/delivery/test_guarantees.py::"
RIGHTS = "tests/delivery/test_rights.py::"
REFUSED = "tests/delivery/test_refused_writes.py::"

MUTANTS = [
    Mutant(
        "commit before acknowledgement",
        "scorer.kafka.delivery.checkpoint:InFlight.complete",
        "self.acknowledged == self.writes and self.error is None",
        "self.error is None",
        CHECKPOINT,
    ),
    Mutant(
        "a delivery error counted as an acknowledgement",
        "scorer.kafka.delivery.sink:Sink._prediction_refused",
        "self._refused.append((published, message, error))",
        "published.batch.delivered(None, None)",
        GUARANTEES + "test_a_refused_write_is_never_followed_by_a_commit",
    ),
    Mutant(
        "a lost partition is committed",
        "scorer.kafka.delivery.checkpoint:Checkpoint.forget",
        "batch.offsets.pop(partition, None)",
        "pass",
        CHECKPOINT,
    ),
    Mutant(
        "a commit overtakes another",
        "scorer.kafka.delivery.checkpoint:Checkpoint.settle",
        "self._sent is None",
        "True",
        CHECKPOINT,
    ),
    Mutant(
        "a commit that failed is forgotten",
        "scorer.kafka.delivery.checkpoint:Checkpoint.committed",
        "confirmed",
        "True",
        CHECKPOINT,
    ),
    Mutant(
        "commits that fall behind are not waited for",
        "scorer.pipeline:_kept_until_caught_up",
        "kept and parts.delivery.behind and not stopping()",
        "False",
        "tests/delivery/test_faults.py::test_a_right_to_the_group_that_is_lost_is_waited_for",
    ),
    Mutant(
        "a scored batch does not wait for room",
        "scorer.pipeline:_kept_until_room",
        "kept and parts.delivery.full(len(kept)) and not stopping()",
        "False",
        "tests/test_pipeline.py",
    ),
    Mutant(
        "a scored batch is published with a partition that was lost while it waited",
        "scorer.pipeline:_finish_when_possible",
        "records and len(records) == len(scored.records)",
        "records",
        "tests/test_pipeline.py",
    ),
    Mutant(
        "records in flight are not limited",
        "scorer.kafka.delivery.checkpoint:Checkpoint.full",
        "together > self._limits.records",
        "False",
        CHECKPOINT,
    ),
    Mutant(
        "larger batches repeat more after a crash",
        "scorer.app:_limits",
        "min(UNCOMMITTED_BATCHES * each, most)",
        "UNCOMMITTED_BATCHES * each",
        "tests/test_app.py",
    ),
    Mutant(
        "a batch overtakes one that is not written",
        "scorer.kafka.delivery.checkpoint:Checkpoint.take_written",
        "self._batches.popleft()",
        "self._batches.pop()",
        CHECKPOINT,
    ),
    Mutant(
        "an offset too far",
        "scorer.kafka.offsets:next_offsets",
        "records.offset[::-1][last] + 1",
        "records.offset[::-1][last] + 2",
        CHECKPOINT,
    ),
    Mutant(
        "a position overtakes what is in flight before it",
        "scorer.kafka.delivery.checkpoint:Checkpoint.advance",
        "_advance(self._batches[-1].offsets if self._batches else self._written, positions)",
        "_advance(self._written, positions)",
        CHECKPOINT,
    ),
    Mutant(
        "a transaction is followed by the commit of a position before it",
        "scorer.kafka.delivery.exactly_once:ExactlyOnce.publish",
        "self._positions.pop(partition, None)",
        "None",
        TRANSACTIONS + "::test_a_batch_takes_the_place_of_the_position_before_it",
    ),
    Mutant(
        "a dead letter that is not awaited",
        "scorer.kafka.delivery.sink:Sink._write",
        "self._write_later(published.write(row), reported)",
        "self._write_later(published.write(row), None); reported and reported(None, None)",
        GUARANTEES + "test_a_refused_dead_letter_is_never_followed_by_a_commit",
    ),
    Mutant(
        "a refused prediction is settled without its dead letter",
        "scorer.kafka.delivery.refused_writes:RefusedWrites._settle_one",
        "self._write(published, [row])",
        "published.batch.delivered(None, None)",
        REFUSED + "test_an_event_whose_prediction_is_too_large_is_a_dead_letter_and_its_neighbours_are_scored",
    ),
    Mutant(
        "what is refused together is at fault together",
        "scorer.kafka.delivery.refused_writes:RefusedWrites._settle",
        "self._settle(again, published)",
        "[self._settle_one(published, *each) for each in again]",
        REFUSED + "test_a_topic_that_takes_less_at_once_than_when_the_replica_started_gets_each_prediction",
    ),
    Mutant(
        "a transaction is committed without what the client refused to send",
        "scorer.kafka.delivery.fault_finder:TransactionReports.wait",
        "raise KafkaException(refused[0])",
        "pass",
        REFUSED + "test_what_no_request_can_carry_is_a_dead_letter_with_its_beginning",
    ),
    Mutant(
        "a replica leaves without waiting for the rebalance",
        "scorer.kafka.delivery.leaving:commit_before_leaving",
        "delivery.settle(left()) or left() <= 0",
        "True",
        "tests/delivery/test_stops.py::test_a_stop_in_the_middle_of_a_rebalance_repeats_nothing[classic-at-least-once]",
    ),
    Mutant(
        "a commit that is refused before a revocation is not tried again",
        "scorer.kafka.delivery.at_least_once:AtLeastOnce.finish",
        "not self._checkpoint.finish(math.inf) and time.monotonic() < deadline",
        "not self._checkpoint.finish(math.inf) and False",
        "tests/kafka/delivery/test_leaving.py",
    ),
    Mutant(
        "a batch that has to wait is dropped",
        "scorer.pipeline:_finish_when_possible",
        "parts.source.keep_alive(records, WAIT_SECONDS)",
        "parts.source.keep_alive(None, WAIT_SECONDS)",
        GUARANTEES + "test_a_batch_that_has_to_wait_is_scored_in_the_end",
    ),
    Mutant(
        "a producer is used again after a transaction whose end was not heard of",
        "scorer.kafka.delivery.transactions:Transactions._mark_unusable",
        "State.FENCED if error.code() in FENCED else State.LOST",
        "State.RECOVERED",
        TRANSACTIONS,
    ),
    Mutant(
        "an end that was not heard of is taken for a failure",
        "scorer.kafka.delivery.transactions:Transactions._mark_unusable",
        "State.FENCED if error.code() in FENCED else State.LOST",
        "State.DISCARDED",
        TRANSACTIONS,
    ),
    Mutant(
        "the offsets of a transaction are those of another membership",
        "scorer.kafka.delivery.transactions:Transactions._attempt",
        "published.records.membership",
        "self._commits._consumer.consumer_group_metadata()",
        TRANSACTIONS,
    ),
    Mutant(
        "a check takes the transactional id of a replica that runs",
        "scorer.kafka.brokers.grants:",
        "2**31 - 1",
        "10_000",
        RIGHTS + "test_each_missing_right_is_named_and_a_replica_runs_with_exactly_those[exactly-once]",
    ),
]
