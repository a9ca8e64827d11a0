"""Dead letters are replayed once despite interruptions, scored like new events, and limited in number."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing

import pytest
from confluent_kafka import Consumer, KafkaError, TopicPartition

from tests.delivery.conftest import MakeWorld, mainly_at_least_once, mainly_exactly_once
from tests.delivery.world import World, headers, known, reasons
from tests.kafka.dead_letters.letters import Post, letter_headers
from tests.kafka.raw_headers import write_raw

LETTERS = 6_000
KILLS = 3


def command(world: World, action: str, *words: str) -> list[str]:
    return [
        *(sys.executable, "-m", "scorer", "dead-letters", action),
        *("-c", str(world.folder / "scorer.yaml"), *words),
    ]


def scorer(world: World, action: str, *words: str, code: int = 0) -> str:
    """Run an action to its end, and return what it printed."""
    ended = subprocess.run(command(world, action, *words), capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == code, ended.stderr
    return ended.stdout + ended.stderr


def values(world: World, isolation: str) -> Iterator[bytes]:
    """The values in the input topic."""
    chosen = {"enable.partition.eof": True, "enable.auto.commit": False, "isolation.level": isolation}
    with closing(Consumer({"bootstrap.servers": world.bootstrap, "group.id": "values", **chosen})) as consumer:
        consumer.assign([TopicPartition(world.input, number, 0) for number in range(world.partitions)])
        left = set(range(world.partitions))
        while left:
            for message in consumer.consume(10_000, 0.2):
                error = message.error()
                if error is None:
                    yield message.value() or b""
                else:
                    assert error.code() == KafkaError._PARTITION_EOF
                    left.discard(message.partition() or 0)


def test_kill_9_of_a_replay_loses_and_duplicates_nothing(make_world: MakeWorld) -> None:
    world = make_world()
    post = Post(world.bootstrap)
    for number in range(LETTERS):
        headers = letter_headers(world.input, number, "truncated" if number % 3 else "empty", number % world.partitions)
        post.write(world.dead, headers, b"%d" % number, partition=number % world.partitions)
    post.done()
    for kill in range(KILLS):
        with subprocess.Popen(command(world, "replay"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as replay:
            world.kill_within_a_transaction(replay, world.input, beyond=kill * LETTERS // (KILLS + 1))
    scorer(world, "replay")
    assert scorer(world, "replay").startswith("0 events replayed\n")
    assert Counter(values(world, "read_committed")) == {b"%d" % number: 1 for number in range(LETTERS)}
    seen = Counter(values(world, "read_uncommitted"))
    assert seen.keys() == {b"%d" % number for number in range(LETTERS)}
    assert seen.total() > LETTERS, "no kill met an open transaction, so this proved nothing"


@pytest.mark.prove
def test_kill_9_of_a_partly_refused_replay_loses_and_duplicates_nothing(make_world: MakeWorld) -> None:
    world = make_world()
    post = Post(world.bootstrap)
    # Each event is smaller than the one before it, so that each is tried before it is refused.
    bad = {number: bytes(9_000 - number) for number in range(250, LETTERS // 2, 500)}
    for number in range(LETTERS // 2):
        headers = letter_headers(world.input, number, "truncated" if number % 3 else "empty", number % world.partitions)
        value = b"%d " % number + bad.get(number, b"")
        post.write(world.dead, headers, value, partition=number % world.partitions)
    post.done()
    world.alter(world.input, "max.message.bytes", "1000")
    for kill in range(KILLS):
        with subprocess.Popen(command(world, "replay"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as replay:
            world.kill_within_a_transaction(replay, world.input, beyond=kill * LETTERS // 2 // (KILLS + 1))
    said = " ".join(scorer(world, "replay", code=1).split())
    assert f"not replayed: {len(bad)} events of dead letters " in said
    assert all(f" {number % world.partitions}@{number // world.partitions}" in said for number in bad)
    good = Counter(number for number in range(LETTERS // 2) if number not in bad)
    assert Counter(numbers(world)) == good
    again = scorer(world, "replay", "--limit", "1", code=1)
    assert again.startswith("0 events replayed\n"), "what is refused does not use up the limit, and is tried again"
    world.alter(world.input, "max.message.bytes", "100000")
    assert scorer(world, "replay", "--limit", "1").startswith("1 events replayed\n")
    assert scorer(world, "replay").startswith(f"{len(bad) - 1} events replayed\n")
    assert scorer(world, "replay").startswith("0 events replayed\n")
    assert Counter(numbers(world)) == good + Counter(bad.keys())


def numbers(world: World) -> Iterator[int]:
    """The numbers of the events in the input topic."""
    for value in values(world, "read_committed"):
        yield int(value.split(b" ")[0])


@pytest.mark.prove
def test_a_replayed_event_is_scored_like_a_new_one(world: World) -> None:
    numbers = range(600)
    unknown = [number for number in numbers if not known(number)]
    world.send(numbers)
    replica = world.start(SCORER_FEATURES__WHEN_MISSING="dead-letter")
    world.wait_committed()
    assert world.stop(replica) == 0
    assert reasons(world.ledger()) == {"no-features": len(unknown)}
    scorer(world, "replay")
    world.start()
    world.until(lambda: len(world.ledger().predictions) == len(numbers), "prediction of each event")
    ledger = world.ledger()
    predictions = {copy["event_id"]: copy for copies in ledger.predictions.values() for copy in copies}
    assert ledger.repeated == 0
    expected = world.scores(list(numbers)).tolist()
    assert {f"payment-{number}": expected[number] for number in numbers} == {
        name: copy["score"] for name, copy in predictions.items()
    }
    places = {(copy["source_partition"], copy["source_offset"]) for copy in predictions.values()}
    assert len(places - world.sent.keys()) == len(unknown)
    assert reasons(ledger) == {"no-features": len(unknown)}, "a dead letter stays in its topic"


@pytest.mark.prove
def test_an_event_that_fails_again_is_a_new_dead_letter_with_one_more_replay(make_world: MakeWorld) -> None:
    world = make_world()
    bad = [b"\x08ab", b"", None]
    world.send(bad, partition=0, key=None, headers=[("trace", b"1")])
    world.start()
    for times in range(2):
        world.until(lambda: sum(world.ends(world.dead).values()) == len(bad) * (times + 1), "dead letters")  # noqa: B023  called at once
        letters = [json.loads(line) for line in scorer(world, "show", "--json").splitlines()]
        assert Counter(letter["replays"] for letter in letters) == dict.fromkeys(range(times + 1), len(bad))
        assert Counter(letter["replayed"] for letter in letters)[False] == len(bad)
        assert all(letter["headers"] == [["trace", "1"]] for letter in letters)
        assert scorer(world, "replay").startswith(f"{len(bad)} events replayed\n")


@mainly_exactly_once
def test_too_many_dead_letters_stop_the_replica_before_it_publishes_or_commits(world: World) -> None:
    world.send(range(400), partition=0)
    limit = {"SCORER_KAFKA__MAX_DEAD_LETTER_RATIO": "0.5", "SCORER_KAFKA__DEAD_LETTER_WINDOW": "200"}
    replica = world.start(SCORER_BATCH__MAX_RECORDS="50", **limit)
    world.wait_committed()
    world.send([b"\x08ab"] * 1_000, partition=0)
    assert replica.wait(60) == 1
    assert "'truncated'" in world.log()
    assert "This exceeds kafka.max_dead_letter_ratio (0.5 of" in world.log()
    letters = len(world.ledger().dead_letters)
    assert letters <= 100
    assert world.committed()[0] <= 400 + letters
    world.replicas.remove(replica)
    world.start()
    world.wait_committed()
    world.verify()


@mainly_at_least_once
def test_a_header_name_that_is_not_utf_8_affects_only_its_event(world: World) -> None:
    for number, names in enumerate([[(b"a\xff", b"1"), (b"ok", None)], [(b"\xfe", None), (b"\xff", b"2")]]):
        write_raw(world.bootstrap, world.input, [(bytes([255]) * (number + 1), names)])
    world.send(range(20))
    replica = world.start()
    world.wait(published=22)
    assert world.stop(replica) == 0
    read = [
        [pair for pair in headers(letter) if not pair[0].startswith("scorer.")] for letter in world.read(world.dead)
    ]
    assert sorted(read) == [[(r"\xfe", None), (r"\x..", b"2")], [(r"a\xff", b"1"), ("ok", None)]]
