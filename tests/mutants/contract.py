"""Mutants of the contract of delivery and of the source: each line of it is broken in the fakes and in the product."""

from tests.mutants.mutant import Mutant

CONTRACT = "tests/kafka/delivery/test_contract.py::"
FAKES = "tests.kafka.fakes:"
CHECKPOINT = "scorer.kafka.delivery.checkpoint:Checkpoint."
FAKE, FAKE_TRANSACTIONS = "[fake-at-least-once]", "[fake-exactly-once]"
REAL, REAL_TRANSACTIONS = "[real-at-least-once]", "[real-exactly-once]"

READABLE = CONTRACT + "test_predictions_written_before_a_commit_can_be_read_after_it"
ACKNOWLEDGED = CONTRACT + "test_nothing_is_committed_before_it_is_acknowledged"
IN_ORDER = CONTRACT + "test_a_batch_is_not_committed_before_an_earlier_one"
COUNTED = CONTRACT + "test_records_and_writes_are_counted_separately"
FULL = CONTRACT + "test_a_full_window_accepts_batches_again_once_it_is_acknowledged"
LIMITED = CONTRACT + "test_batches_in_flight_are_limited_by_their_records_too"
BEHIND = CONTRACT + "test_commits_lag_until_the_consumer_receives_their_response"
ABORTED = CONTRACT + "test_an_aborted_transaction_is_invisible_and_retried"
REVOKED = CONTRACT + "test_published_batches_are_finished_before_their_partition_is_revoked"
LOST = CONTRACT + "test_uncommitted_events_of_a_lost_partition_are_dropped_and_read_again"
POSITION = CONTRACT + "test_a_position_is_committed_once_earlier_batches_are_written"
FATAL = CONTRACT + "test_a_refused_write_without_a_replacement_is_fatal_and_never_committed"
HELD = CONTRACT + "test_nothing_more_is_read_while_a_batch_waits_and_nothing_is_skipped"
AWAY = CONTRACT + "test_writes_wait_for_brokers_that_do_not_answer"
TIMED_OUT = CONTRACT + "test_a_transaction_is_aborted_if_the_brokers_do_not_answer"

MUTANTS = [
    Mutant(
        "a fake forgets what was written",
        FAKES + "Member.write",
        "self.broker.predictions += batch.predictions",
        "pass",
        READABLE + FAKE_TRANSACTIONS,
    ),
    Mutant(
        "predictions go to another topic",
        "scorer.kafka.delivery.sink:Sink.__init__",
        "self._topic = kafka.output_topic",
        "self._topic = kafka.dead_letter_topic",
        READABLE + REAL,
    ),
    Mutant(
        "a fake commits before the acknowledgement",
        FAKES + "AtLeastOnce._take_written",
        "self._batches and self._batches[0].acknowledged",
        "self._batches",
        ACKNOWLEDGED + FAKE,
    ),
    Mutant(
        "a batch is complete before it is acknowledged",
        "scorer.kafka.delivery.checkpoint:InFlight.complete",
        "self.acknowledged == self.writes and self.error is None",
        "self.error is None",
        ACKNOWLEDGED + REAL,
    ),
    Mutant(
        "a fake commits whatever batch was acknowledged",
        FAKES + "AtLeastOnce._take_written",
        "self._batches and self._batches[0].acknowledged",
        "any(batch.acknowledged for batch in self._batches)",
        IN_ORDER + FAKE,
    ),
    Mutant(
        "a later batch that is written takes an earlier one with it",
        CHECKPOINT + "take_written",
        "self._batches and self._batches[0].complete",
        "any(batch.complete for batch in self._batches)",
        IN_ORDER + REAL,
    ),
    Mutant(
        "a fake counts predictions for events",
        FAKES + "Member.accept",
        "len(places)",
        "len(places) - len(letters)",
        COUNTED + FAKE,
    ),
    Mutant(
        "predictions alone are awaited",
        "scorer.kafka.delivery.at_least_once:AtLeastOnce.publish",
        "self._checkpoint.open(records, len(records), on_written)",
        "self._checkpoint.open(records, len(payloads.rows), on_written)",
        COUNTED + REAL,
    ),
    Mutant(
        "a fake has room for one batch too many",
        FAKES + "AtLeastOnce.full",
        "len(self._batches) >= WINDOW",
        "len(self._batches) > WINDOW",
        FULL + FAKE,
    ),
    Mutant(
        "the window has room for one batch too many",
        CHECKPOINT + "full",
        "len(self._batches) >= self._limits.window",
        "len(self._batches) > self._limits.window",
        FULL + REAL,
    ),
    Mutant(
        "a fake counts only batches in flight",
        FAKES + "AtLeastOnce.full",
        "together > IN_FLIGHT",
        "False",
        LIMITED + FAKE,
    ),
    Mutant(
        "only batches in flight are counted, and not their records",
        CHECKPOINT + "full",
        "together > self._limits.records",
        "False",
        LIMITED + REAL,
    ),
    Mutant(
        "a fake has committed as soon as it asks for it",
        FAKES + "AtLeastOnce._commit",
        "self.broker.sent, self._confirmable = dict(self._written), self._unconfirmed",
        "self.broker.commit(self._written); self._written, self._unconfirmed = {}, 0",
        BEHIND + FAKE,
    ),
    Mutant(
        "a commit that was sent is taken for confirmed",
        CHECKPOINT + "settle",
        "self._committer.begin(self._sent)",
        "self._committer.begin(self._sent); self._unconfirmed = 0",
        BEHIND + REAL,
    ),
    Mutant(
        "a fake writes what it aborts",
        FAKES + "ExactlyOnce.publish",
        "raise Aborted('the transaction was aborted')",
        "self.write(self.accept(records, payloads, rejected, on_written)); raise Aborted('late')",
        ABORTED + FAKE_TRANSACTIONS,
    ),
    Mutant(
        "a transaction that was aborted is taken for committed",
        "scorer.kafka.delivery.transactions:Transactions._is_committed",
        "all(committed[partition] >= offset for partition, offset in offsets.items())",
        "bool(committed)",
        ABORTED + REAL_TRANSACTIONS,
    ),
    Mutant(
        "a fake gives a partition up before its writes are finished",
        FAKES + "Source._step",
        "self._delivery.finish(1.0)",
        "pass",
        REVOKED + FAKE,
    ),
    Mutant(
        "a partition is revoked before its writes are finished",
        "scorer.kafka.consume.source:Source._on_revoke",
        "self._delivery.finish(min(DRAIN_SECONDS, self._left()))",
        "pass",
        REVOKED + REAL,
    ),
    Mutant(
        "a fake commits what was lost",
        FAKES + "AtLeastOnce.forget",
        "offsets.pop(partition, None)",
        "pass",
        LOST + FAKE,
    ),
    Mutant(
        "a partition that was lost is committed after the loss",
        CHECKPOINT + "forget",
        "batch.offsets.pop(partition, None)",
        "pass",
        LOST + REAL,
    ),
    Mutant(
        "a fake keeps records of a partition that was lost",
        FAKES + "Source.current",
        "partition in owned and self._since[partition] <= batch.generation",
        "True",
        LOST + FAKE_TRANSACTIONS,
    ),
    Mutant(
        "records of a partition that was lost are kept",
        "scorer.kafka.consume.assignment:Assignment.ours",
        "self.owned.get((records.topics[topic], partition), never) <= records.generation",
        "True",
        LOST + REAL_TRANSACTIONS,
    ),
    Mutant(
        "a fake commits a position before what comes before it",
        FAKES + "AtLeastOnce.advance",
        "self._batches[-1].positions if self._batches else self._written",
        "self._written",
        POSITION + FAKE,
    ),
    Mutant(
        "a position is committed before what comes before it",
        CHECKPOINT + "advance",
        "self._batches[-1].offsets if self._batches else self._written",
        "self._written",
        POSITION + REAL,
    ),
    Mutant(
        "a fake takes a refused write for an acknowledged one",
        FAKES + "AtLeastOnce._acknowledge",
        "batch.refused",
        "False",
        FATAL + FAKE,
    ),
    Mutant(
        "a refused write is taken for an acknowledged one",
        "scorer.kafka.delivery.sink:Sink._prediction_refused",
        "self._refused.append((published, message, error))",
        "published.batch.delivered(None, None)",
        FATAL + REAL,
    ),
    Mutant(
        "a fake reads events again after a batch that waits",
        FAKES + "Source.keep_alive",
        "step = self._step()",
        "step = self._step(); self._next[0] = 0",
        HELD + FAKE,
    ),
    Mutant(
        "events that were taken while a batch waits are read twice",
        "scorer.kafka.consume.source:Source._take",
        "self._buffered += messages",
        "self._buffered += messages + messages",
        HELD + REAL,
    ),
    Mutant(
        "a fake's brokers acknowledge while they are away",
        FAKES + "AtLeastOnce.serve",
        "waiting and step.startswith('acknowledge') and self.broker.available",
        "waiting and step.startswith('acknowledge')",
        AWAY + FAKE,
    ),
    Mutant(
        "a stop waits for brokers that do not answer",
        "scorer.kafka.delivery.at_least_once:AtLeastOnce.settle",
        "self._sink.poll(min(seconds, SETTLE_SECONDS))",
        "self._sink.poll(20)",
        AWAY + REAL,
    ),
    Mutant(
        "a fake's transactions succeed while the brokers are away",
        FAKES + "ExactlyOnce.publish",
        "step == 'aborted' or not self.broker.available",
        "step == 'aborted'",
        TIMED_OUT + FAKE_TRANSACTIONS,
    ),
    Mutant(
        "a stop waits for an open transaction longer than it may",
        "scorer.kafka.delivery.transactions:Transactions.settle",
        "min(seconds, CALL_SECONDS)",
        "15.0",
        TIMED_OUT + REAL_TRANSACTIONS,
    ),
]
