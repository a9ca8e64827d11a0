"""Mutants of the consumer: partitions, their starts and their ends."""

from tests.mutants.mutant import Mutant

ENDS = "tests/kafka/consume/test_ends.py::"
STARTS = "tests/kafka/consume/test_starts.py::"
READING = "tests/kafka/consume/test_reading.py::"

MUTANTS = [
    Mutant(
        "an end is committed before the records that are held below it",
        "scorer.kafka.consume.ends:Ends.passed",
        "{place: end for place, end in self._reached.items() if place not in waiting}",
        "{place: end for place, end in self._reached.items()}",
        ENDS + "test_an_end_offset_waits_for_buffered_records",
    ),
    Mutant(
        "an error that comes with ends is taken for one",
        "scorer.kafka.consume.ends:Ends.take",
        "{*map(KafkaError.code, filter(None, errors))} == {END}",
        "True",
        ENDS + "test_ends_are_told_from_records_and_from_other_errors",
    ),
    Mutant(
        "an end outlives the records that were dropped below it",
        "scorer.kafka.consume.source:Source._drop",
        "self._ends.forget(partitions)",
        "pass",
        ENDS + "test_an_end_offset_is_dropped_with_the_records_before_it",
    ),
    Mutant(
        "a partition that was added starts at its end",
        "scorer.kafka.consume.starts:Starts.find",
        "OFFSET_BEGINNING",
        "OFFSET_END",
        STARTS + "test_an_added_partition_starts_at_its_first_record",
    ),
    Mutant(
        "a partition whose committed offset is deleted goes on at its end",
        "scorer.kafka.client:consumer_properties",
        '"earliest"',
        "kafka.start_from",
        STARTS + "test_retention_past_the_committed_offset_skips_no_remaining_records",
    ),
    Mutant(
        "every member decides where the group starts",
        "scorer.kafka.consume.starts:Starts._look_up",
        "not committed and (topic, 0) not in own",
        "False",
        STARTS + "test_other_replicas_wait_for_the_committed_starts_and_use_them",
    ),
    Mutant(
        "a partition begins where the client says",
        "scorer.kafka.consume.source:Source._on_assign",
        "self._reading.assign(places(partitions))",
        "None",
        READING + "test_a_rebalance_while_a_transaction_holds_the_offsets_moves_no_start",
    ),
    Mutant(
        "a partition is resumed where the client says",
        "scorer.kafka.consume.reading:Reading.resume",
        "self._consumer.seek(where)",
        "None",
        READING + "test_a_pause_skips_and_repeats_nothing_whatever_position_the_client_has",
    ),
    Mutant(
        "messages of a partition are taken before it was sought",
        "scorer.kafka.consume.source:Source._take",
        "[message for message in messages if self._is_read(message)]",
        "messages",
        READING + "test_stale_messages_and_ends_of_a_reassigned_partition_are_dropped",
    ),
    Mutant(
        "partitions without an owner are nobody's business",
        "scorer.kafka.consume.unowned:Unowned._watch",
        "self._found.set()",
        "None",
        "tests/kafka/consume/test_unowned.py",
    ),
    Mutant(
        "records are held of a partition that went meanwhile",
        "scorer.kafka.consume.source:Source._take",
        "messages = self._consumer.consume(records, seconds)",
        "held = self._buffered; messages = self._consumer.consume(records, seconds); self._buffered = held",
        "tests/kafka/consume/test_source.py",
    ),
    Mutant(
        "records of a partition that came back are kept",
        "scorer.kafka.consume.assignment:Assignment.assign",
        "self.owned.update(dict.fromkeys(partitions, self.generation))",
        "self.owned.update(dict.fromkeys(partitions, 0))",
        "tests/kafka/consume/test_assignment.py",
    ),
    Mutant(
        "a lost partition is drained and committed",
        "scorer.kafka.consume.source:Source._join",
        "self._on_lost",
        "self._on_revoke",
        "tests/kafka/consume/test_source.py",
    ),
    Mutant(
        "a revoked partition goes without a commit",
        "scorer.kafka.consume.source:Source._on_revoke",
        "self._delivery.finish(min(DRAIN_SECONDS, self._left()))",
        "None",
        "tests/kafka/consume/test_source.py",
    ),
    Mutant(
        "a record beyond the end of a span is scored",
        "scorer.kafka.consume.span:SpanSource._within",
        "records.offset < stops",
        "records.offset <= stops",
        "tests/kafka/consume/test_span.py",
    ),
    Mutant(
        "the end of a partition without a last record is never committed",
        "scorer.kafka.consume.span:SpanSource._settle",
        "told and self._delivery is not None",
        "False",
        "tests/kafka/consume/test_span.py",
    ),
]
