"""Mutants of dead letters and their replay."""

from tests.mutants.mutant import Mutant

REPLAY = "tests/kafka/dead_letters/test_replay.py"

MUTANTS = [
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
