"""Each guarantee's test can fail: a copy of the project is broken in one line, and the test must turn red."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.prove
ROOT = Path(__file__).parents[2]
COPIED = ("scorer", "tests", "schemas", "pyproject.toml")
CHECKPOINT = "tests/kafka/delivery/test_checkpoint.py"
ENDS = "tests/kafka/consume/test_ends.py::"
STARTS = "tests/kafka/consume/test_starts.py::"
TRANSACTIONS = "tests/kafka/delivery/test_exactly_once.py"
REPLAY = "tests/kafka/dead_letters/test_replay.py"
CACHE = "tests/store/test_cache.py"
GUARANTEES = "tests/delivery/test_guarantees.py::"
RIGHTS = "tests/delivery/test_rights.py::"
REFUSED = "tests/delivery/test_refused_writes.py::"


@dataclass(frozen=True)
class Mutant:
    """One line that is broken, and the test that must see it."""

    name: str
    file: str
    line: str
    broken: str
    test: str


MUTANTS = [
    Mutant(
        "a registry in trouble makes dead letters",
        "scorer/registry/http.py",
        "if status == 404 and code in _UNKNOWN:",
        "if status >= 400:",
        "tests/registry/test_registry.py::test_trouble_is_never_an_unknown_schema",
    ),
    Mutant(
        "a symbol that the reader does not have becomes its first",
        "scorer/avro/program.py",
        "known.get(symbol, otherwise)",
        "known.get(symbol, max(otherwise, 0))",
        "tests/avro/test_evolution.py::test_what_does_not_resolve_is_told",
    ),
    Mutant(
        "commit before acknowledgement",
        "scorer/kafka/delivery/checkpoint.py",
        "return self.acknowledged == self.expected and self.error is None",
        "return self.error is None",
        CHECKPOINT,
    ),
    Mutant(
        "a delivery error counted as an acknowledgement",
        "scorer/kafka/delivery/at_least_once.py",
        "self._refused.append((published, message, error))",
        "published.batch.delivered(None, None)",
        GUARANTEES + "test_a_refused_write_is_never_followed_by_a_commit",
    ),
    Mutant(
        "a lost partition is committed",
        "scorer/kafka/delivery/checkpoint.py",
        "batch.offsets.pop(partition, None)",
        "pass",
        CHECKPOINT,
    ),
    Mutant(
        "a commit overtakes another",
        "scorer/kafka/delivery/checkpoint.py",
        "if self._sent is None and self._written and",
        "if self._written and",
        CHECKPOINT,
    ),
    Mutant(
        "a commit that failed is forgotten",
        "scorer/kafka/delivery/checkpoint.py",
        "        if confirmed:\n            self._drop_confirmed(sent, self._confirmable)",
        "        self._drop_confirmed(sent, self._confirmable)",
        CHECKPOINT,
    ),
    Mutant(
        "commits that fall behind are not waited for",
        "scorer/pipeline.py",
        "while parts.checkpoint.behind and not stopping():",
        "while False:",
        "tests/delivery/test_faults.py::test_a_right_to_the_group_that_is_lost_is_waited_for",
    ),
    Mutant(
        "a batch overtakes one that is not written",
        "scorer/kafka/delivery/checkpoint.py",
        "batch = self._batches.popleft()",
        "batch = self._batches.pop()",
        CHECKPOINT,
    ),
    Mutant(
        "an offset too far",
        "scorer/kafka/offsets.py",
        "records.offset[::-1][last] + 1",
        "records.offset[::-1][last] + 2",
        CHECKPOINT,
    ),
    Mutant(
        "a position overtakes what is in flight before it",
        "scorer/kafka/delivery/checkpoint.py",
        "_advance(self._batches[-1].offsets if self._batches else self._written, positions)",
        "_advance(self._written, positions)",
        CHECKPOINT,
    ),
    Mutant(
        "an end is committed before the records that are held below it",
        "scorer/kafka/consume/ends.py",
        "for place, end in self._reached.items() if place not in waiting}",
        "for place, end in self._reached.items()}",
        ENDS + "test_an_end_waits_for_records_that_were_not_handed_out",
    ),
    Mutant(
        "an end outlives the records that were dropped below it",
        "scorer/kafka/consume/source.py",
        "self._ends.forget(partitions)",
        "pass",
        ENDS + "test_an_end_goes_with_the_records_that_are_dropped_before_it",
    ),
    Mutant(
        "a transaction is followed by the commit of a position before it",
        "scorer/kafka/delivery/positions.py",
        "self._written.pop(partition, None)",
        "pass",
        TRANSACTIONS + "::test_a_batch_takes_the_place_of_the_position_before_it",
    ),
    Mutant(
        "a partition that was added starts at its end",
        "scorer/kafka/client.py",
        '"auto.offset.reset": "earliest"',
        '"auto.offset.reset": kafka.start_from',
        STARTS + "test_a_partition_that_is_added_starts_at_its_first_record",
    ),
    Mutant(
        "every member decides where the group starts",
        "scorer/kafka/consume/starts.py",
        "if not committed and (topic, 0) not in own:",
        "if False:",
        STARTS + "test_the_others_wait_for_it_and_start_there",
    ),
    Mutant(
        "a partition begins where the client says",
        "scorer/kafka/consume/source.py",
        "return self._start_offsets.check(records)",
        "return records",
        "tests/kafka/consume/test_start_offsets.py",
    ),
    Mutant(
        "records are held of a partition that went meanwhile",
        "scorer/kafka/consume/source.py",
        "messages = self._consumer.consume(records, seconds)",
        "held = self._held; messages = self._consumer.consume(records, seconds); self._held = held",
        "tests/kafka/consume/test_source.py",
    ),
    Mutant(
        "a dead letter that is not awaited",
        "scorer/kafka/delivery/at_least_once.py",
        "self._write_later(published.write(row), reported)",
        "self._write_later(published.write(row), None); reported and reported(None, None)",
        GUARANTEES + "test_a_refused_dead_letter_is_never_followed_by_a_commit",
    ),
    Mutant(
        "a refused prediction is settled without its dead letter",
        "scorer/kafka/delivery/apart.py",
        "            again = self._write(published, [row])\n            if not again:",
        "            again = published.batch.delivered(None, None)\n            if not again:",
        REFUSED + "test_an_event_whose_prediction_is_too_large_is_a_dead_letter_and_its_neighbours_are_scored",
    ),
    Mutant(
        "what is refused together is at fault together",
        "scorer/kafka/delivery/apart.py",
        "self._settle(again, published)",
        "[self._settle_one(published, *each) for each in again]",
        REFUSED + "test_a_topic_that_takes_less_at_once_than_when_the_replica_started_gets_each_prediction",
    ),
    Mutant(
        "a transaction is committed without what the client refused to send",
        "scorer/kafka/delivery/culprits.py",
        "            raise KafkaException(self._failed[0][0])",
        "            pass",
        REFUSED + "test_what_no_request_can_carry_is_a_dead_letter_with_its_beginning",
    ),
    Mutant(
        "records of a partition that came back are kept",
        "scorer/kafka/consume/assignment.py",
        "self.owned.update(dict.fromkeys(partitions, self.generation))",
        "self.owned.update(dict.fromkeys(partitions, 0))",
        "tests/kafka/consume/test_assignment.py",
    ),
    Mutant(
        "a lost partition is drained and committed",
        "scorer/kafka/consume/source.py",
        "on_lost=self._on_lost",
        "on_lost=self._on_revoke",
        "tests/kafka/consume/test_source.py",
    ),
    Mutant(
        "a revoked partition goes without a commit",
        "scorer/kafka/consume/source.py",
        "                commit_before_revocation(",
        "                bool(",
        "tests/kafka/consume/test_source.py",
    ),
    Mutant(
        "a replica leaves without waiting for the rebalance",
        "scorer/kafka/delivery/leaving.py",
        "if (settled and checkpoint.clear) or left() <= 0:",
        "if True:",
        "tests/delivery/test_stops.py::test_a_stop_in_the_middle_of_a_rebalance_repeats_nothing[classic-at-least-once]",
    ),
    Mutant(
        "a commit that is refused before a revocation is not tried again",
        "scorer/kafka/delivery/leaving.py",
        "while not checkpoint.finish(math.inf) and time.monotonic() < deadline:",
        "while not checkpoint.finish(math.inf) and False:",
        "tests/kafka/delivery/test_leaving.py",
    ),
    Mutant(
        "a batch that has to wait is dropped",
        "scorer/pipeline.py",
        "records = parts.source.hold(records, WAIT_SECONDS)",
        "records = parts.source.hold(None, WAIT_SECONDS)",
        GUARANTEES + "test_a_batch_that_has_to_wait_is_scored_in_the_end",
    ),
    Mutant(
        "a producer is used again after a transaction whose end was not heard of",
        "scorer/kafka/delivery/exactly_once.py",
        "self._usable, self._unheard = False, True",
        "self._unheard = True",
        TRANSACTIONS,
    ),
    Mutant(
        "an end that was not heard of is taken for a failure",
        "scorer/kafka/delivery/exactly_once.py",
        "self._usable, self._unheard = False, True",
        "self._usable = False",
        TRANSACTIONS,
    ),
    Mutant(
        "the offsets of a transaction are those of another membership",
        "scorer/kafka/delivery/exactly_once.py",
        "partial(commit, published.records.membership)",
        "partial(commit, self._commits._consumer.consumer_group_metadata())",
        TRANSACTIONS,
    ),
    Mutant(
        "what was replayed is remembered one transaction late",
        "scorer/kafka/dead_letters/replay.py",
        "        for key, value in self.replayed.news():",
        "        for key, value in self.replayed.news() if self.done else ():",
        REPLAY,
    ),
    Mutant(
        "an event is replayed to a partition that is not there",
        "scorer/kafka/dead_letters/replay.py",
        "elif letter.partition >= topic.partitions:",
        "elif letter.partition < 0:",
        REPLAY,
    ),
    Mutant(
        "an event that is left out counts as replayed with others of its reason",
        "scorer/kafka/dead_letters/replayed.py",
        "return letter.record.partition, letter.reason, letter.topic, letter.partition",
        "return letter.record.partition, letter.reason, letter.topic, None",
        "tests/kafka/dead_letters/test_replayed.py",
    ),
    Mutant(
        "replays do not know of each other",
        "scorer/kafka/dead_letters/replay.py",
        'f"{letters.name}.replay"}',
        'f"{letters.name}.replay.{time.time_ns()}"}',
        REPLAY,
    ),
    Mutant(
        "any number of dead letters is allowed",
        "scorer/kafka/dead_letters/write.py",
        "if self._letters.total() > ratio * max(self._records, self._window):",
        "if self._letters.total() > max(self._records, self._window):",
        "tests/kafka/dead_letters/test_limit.py",
    ),
    Mutant(
        "a bad row takes its neighbour along",
        "scorer/scoring/scorer.py",
        "[each.row for each in rejected]",
        "[row for each in rejected for row in (each.row, min(each.row + 1, rows - 1))]",
        GUARANTEES + "test_a_bad_record_costs_one_dead_letter_and_its_neighbours_are_scored",
    ),
    Mutant(
        "what nobody asked for is taken for the next answer",
        "scorer/store/redis/link.py",
        "        self._refuse_unasked()\n        self._unsent = memoryview(request)\n",
        "        self._unsent = memoryview(request)\n",
        "tests/store/redis/test_hostile.py::test_what_comes_behind_an_answer_is_taken_for_no_other",
    ),
    Mutant(
        "an answer is used after its time",
        "scorer/store/cache.py",
        "if line == NO_LINE or heads[line, ASKED] <= since:",
        "if line == NO_LINE:",
        CACHE,
    ),
    Mutant(
        "use lengthens the time of an answer",
        "scorer/store/cache.py",
        "lookup[key] = STALE if stale else texts[at]",
        "lookup[key], heads[line, ASKED] = STALE if stale else texts[at], since + 4_000_000_000",
        CACHE,
    ),
    Mutant(
        "the time of an answer begins when it is there",
        "scorer/store/cache.py",
        "shelf.keep(each, rows, asked, answer, reply)",
        "shelf.keep(each, rows, self._monotonic(), answer, reply)",
        CACHE,
    ),
    Mutant(
        "what is kept never grows stale",
        "scorer/store/cache.py",
        "stale = texts[at] == HIT and now - numbers[line, 0] > max_age",
        "stale = False",
        CACHE,
    ),
    Mutant(
        "that the store could not answer is kept",
        "scorer/store/cache.py",
        "if lookup[row] == UNAVAILABLE or end - start > KEY_ROOM:",
        "if end - start > KEY_ROOM:",
        CACHE,
    ),
    Mutant(
        "a key gets the answer of another with the same hash",
        "scorer/store/cache.py",
        "if heads[line, TAG] == tag and same(data, start, texts, (line + 1) * size - KEY_ROOM, end - start):",
        "if heads[line, TAG] == tag:",
        CACHE,
    ),
    Mutant(
        "a check takes the transactional id of a replica that runs",
        "scorer/kafka/operate/grants.py",
        "TOO_LONG_MS = 2**31 - 1",
        "TOO_LONG_MS = 10_000",
        RIGHTS + "test_each_missing_right_is_named_and_a_replica_runs_with_exactly_those[exactly-once]",
    ),
]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_is_seen(mutant: Mutant, tmp_path: Path) -> None:
    for name in COPIED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
        copy(ROOT / name, tmp_path / name)
    file = tmp_path / mutant.file
    text = file.read_text()
    assert text.count(mutant.line) == 1, f"{mutant.file} has changed: the mutant no longer fits"
    file.write_text(text.replace(mutant.line, mutant.broken))
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-qx", "-p", "no:cacheprovider", "--hypothesis-profile=mutants", mutant.test],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == pytest.ExitCode.TESTS_FAILED, f"not seen:\n{run.stdout[-3000:]}{run.stderr[-1000:]}"
