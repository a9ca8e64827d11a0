"""Mutants of dead letters and their replay."""

from tests.mutants.mutant import Mutant

REPLAY = "tests/kafka/dead_letters/test_replay.py"

MUTANTS = [
    Mutant(
        "a replay goes on with its producer after an aborted transaction",
        "scorer.kafka.dead_letters.replay:Replay._try",
        "self._replace_producer()",
        "pass",
        REPLAY + "::test_an_event_that_was_appended_in_an_aborted_transaction_is_written_again",
    ),
    Mutant(
        "a replay goes on after another one has begun",
        "scorer.kafka.dead_letters.replay:Replay._replace_producer",
        "self.replayed.is_current(self._read_replayed())",
        "True",
        REPLAY + "::test_a_replay_that_goes_on_after_a_refusal_does_not_repeat_what_another_one_replayed",
    ),
    Mutant(
        "what was replayed is remembered one transaction late",
        "scorer.kafka.dead_letters.replay:Replay._remember",
        "self.replayed.changes()",
        "self.replayed.changes() if self.done else ()",
        REPLAY,
    ),
    Mutant(
        "an event is replayed to a partition that is not there",
        "scorer.kafka.dead_letters.due:Due.__iter__",
        "letter.partition >= topic.partitions",
        "letter.partition < 0",
        REPLAY,
    ),
    Mutant(
        "an event that is left out counts as replayed with others of its reason",
        "scorer.kafka.dead_letters.replayed:_line",
        "return letter.record.partition, letter.reason, letter.topic, letter.partition",
        "return letter.record.partition, letter.reason, letter.topic, None",
        "tests/kafka/dead_letters/test_replayed.py",
    ),
    Mutant(
        "an event that its topic refuses is forgotten",
        "scorer.kafka.dead_letters.replayed:Replayed.__contains__",
        "offset < below and (line, offset) not in self._refused",
        "offset < below",
        "tests/kafka/dead_letters/test_replayed.py",
    ),
    Mutant(
        "replays do not know of each other",
        "scorer.kafka.dead_letters.replay:Replay.__init__",
        'f"{letters.name}.replay"',
        'f"{letters.name}.replay.{id(self)}"',
        REPLAY,
    ),
    Mutant(
        "any number of dead letters is allowed",
        "scorer.kafka.dead_letters.write:DeadLetterLimit._require_few",
        "ratio * max(self._records, self._window)",
        "max(self._records, self._window)",
        "tests/kafka/dead_letters/test_limit.py",
    ),
]
