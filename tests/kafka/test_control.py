"""The home of a roll-out state in a topic, on a real broker."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

import pytest
from confluent_kafka import Producer

from scorer.errors import Fatal
from scorer.kafka import Admin, ControlTopic, control_concerns, control_topic
from scorer.rollout import Conflict, Held, State
from scorer.sandbox import Kafka
from scorer.settings import KafkaSettings
from tests.conftest import MakeTopic

FIRST = State(champion="1")


@contextmanager
def home(settings: KafkaSettings, model: str = "fraud") -> Iterator[ControlTopic]:
    with closing(ControlTopic(settings, model)) as opened:
        yield opened


@pytest.fixture
def settings(kafka: Kafka, make_topic: MakeTopic) -> KafkaSettings:
    topic = make_topic("control", cleanup_policy="compact")
    return settings_of(kafka.bootstrap, topic)


def settings_of(bootstrap: str, topic: str) -> KafkaSettings:
    return KafkaSettings(
        bootstrap_servers=bootstrap,
        group_id="g",
        input_topics=("in",),
        output_topic="out",
        dead_letter_topic="dead",
        control_topic=topic,
    )


def promote(home: ControlTopic, version: str) -> None:
    held = home.read()
    home.write(held.next("promote", State(champion=version), held.state or FIRST, by="a@b"), held)


def test_what_was_written_is_read_by_others_in_one_order(settings: KafkaSettings) -> None:
    with home(settings) as one, home(settings) as two, home(settings, "other") as other:
        assert one.read().state is None
        promote(one, "2")
        promote(two, "3")
        promote(other, "9")
        promote(one, "4")
        assert two.read() == one.read()
        assert [str(change.after) for change in two.read().history] == ["2", "3", "4"]
        assert other.read().state == State(champion="9")
    with home(settings) as late:
        assert [change.revision for change in late.read().history] == [1, 2, 3]


def test_of_changes_at_the_same_time_one_counts(settings: KafkaSettings) -> None:
    def try_to(number: int) -> str:
        with home(settings) as mine:
            change = stale.next("promote", State(champion=f"v{number}"), FIRST, by=f"{number}@b")
            try:
                mine.write(change, stale)
            except Conflict as refused:
                return str(refused)
        return ""

    with home(settings) as reader:
        stale = reader.read()
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(try_to, range(8)))
        assert answers.count("") == 1
        winner = answers.index("")
        assert reader.read().state == State(champion=f"v{winner}")
        named = f"revision 1 by {winner}@b made it v{winner}"
        assert all(named in answer for answer in answers if answer), "each loser is told who was first"


def test_a_follower_sees_a_change_within_a_second(settings: KafkaSettings) -> None:
    with home(settings) as follower, home(settings) as writer:
        follower.read()
        writer.read()
        for version in ("2", "3", "4"):
            promote(writer, version)
            deadline = time.monotonic() + 1
            while (state := follower.wait(0.2).state) != State(champion=version):
                assert time.monotonic() < deadline, f"it still sees {state}"


def test_what_is_no_change_is_passed_over(settings: KafkaSettings) -> None:
    producer = Producer({"bootstrap.servers": settings.bootstrap_servers, "log_level": 2})
    for value in (b"", b"{", b"[]", b'{"model": "fraud", "base": "", "id": 7}', b'{"model": "fraud"}'):
        producer.produce(settings.control_topic or "", value, b"key")
    assert producer.flush(30) == 0
    with home(settings) as reader:
        assert reader.read().state is None
        promote(reader, "2")
        assert reader.read().state == State(champion="2")


def test_a_topic_that_does_not_exist_is_named(kafka: Kafka) -> None:
    with home(settings_of(kafka.bootstrap, "absent")) as reader, pytest.raises(Fatal) as refused:
        reader.read()
    assert "cannot read topic absent" in str(refused.value)
    assert "`scorer topics --create` creates a missing kafka.control_topic" in str(refused.value)


def test_the_topic_that_is_created_keeps_every_change(settings: KafkaSettings) -> None:
    topic = control_topic(f"{settings.control_topic}-made")
    admin = Admin(settings)
    admin.create([topic])
    made = admin.topics([topic.name])[topic.name]
    assert made.partitions == 1
    assert control_concerns(made) == []


def test_a_topic_that_would_forget_is_warned_about(settings: KafkaSettings, make_topic: MakeTopic) -> None:
    name = make_topic("control", partitions=2)
    (forgets, partitions) = control_concerns(Admin(settings).topics([name])[name])
    assert "cleanup.policy=delete deletes old changes" in forgets
    assert "has 2 partitions; only partition 0 is used" in partitions


class Heard:
    """Notes what is in the log, in its order."""

    def __init__(self) -> None:
        self.seen: list[object] = []

    def changed(self, held: Held) -> None:
        self.seen.append(str(held.state))

    def heard(self, value: bytes | None, seconds: float) -> None:
        assert abs(time.time() - seconds) < 3_600
        self.seen.append(value)


def test_changes_and_what_replicas_tell_are_heard_in_one_order(settings: KafkaSettings) -> None:
    with home(settings) as one, home(settings) as two, home(settings, "other") as other:
        listeners = [Heard(), Heard(), Heard()]
        for each, listener in zip((one, two, other), listeners, strict=True):
            each.listen(listener)
        promote(one, "2")
        one.tell("a", b"first")
        two.tell("b", b"second")
        settle(two, listeners[1], b"first", b"second")
        promote(two, "3")
        other.tell("a", b"of another model")
        one.tell("a", None)
        settle(one, listeners[0], None)
        settle(two, listeners[1], None)
        settle(other, listeners[2], b"of another model")
        assert listeners[0].seen == listeners[1].seen
        assert listeners[0].seen[:2] == ["None", "2"], "a reader begins with nothing"
        assert listeners[0].seen[-2:] == ["3", None]
        assert listeners[2].seen == ["None", b"of another model"]
        assert [change.revision for change in one.read().history] == [1, 2]
    with home(settings) as late:
        assert [change.revision for change in late.read().history] == [1, 2], "what was told is no change"


def settle(home: ControlTopic, listener: Heard, *values: bytes | None) -> None:
    deadline = time.monotonic() + 30
    while not set(values) <= set(listener.seen):
        assert time.monotonic() < deadline, listener.seen
        home.wait(0.2)


def test_what_the_brokers_refuse_is_an_error_of_the_next_time(settings: KafkaSettings) -> None:
    with home(settings) as one:
        one.tell("a", b"x" * 2_000_000)
        with pytest.raises(Fatal, match="refused a record"):
            tell_until_refused(one)


def tell_until_refused(home: ControlTopic) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        home.tell("a", b"small")
        home.wait(0.1)
