import time
from contextlib import closing
from typing import Any
from uuid import uuid4

import pytest
from confluent_kafka import Consumer, KafkaError, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource

from scorer.batch import Reason
from scorer.errors import Fatal, Unavailable
from scorer.kafka import Admin, Due, Letter, Letterbox, Reader, Record, Replay, Replayed, Topic
from scorer.kafka.dead_letters.read import open_letter
from scorer.kafka.writes import Write
from scorer.sandbox import Kafka
from scorer.settings import KafkaSettings
from tests.kafka.conftest import Losing
from tests.kafka.conftest import settings as settings_of
from tests.kafka.dead_letters.letters import Post, letter, letter_headers


@pytest.fixture
def settings(kafka_settings: KafkaSettings) -> KafkaSettings:
    """Settings with two input partitions and two partitions of dead letters."""
    events, dead = f"in-{uuid4().hex}", f"dead-{uuid4().hex}"
    Admin(kafka_settings).create([Topic(events, 2), Topic(dead, 2)])
    return kafka_settings.model_copy(update={"input_topics": (events,), "dead_letter_topic": dead})


@pytest.fixture
def post(kafka: Kafka) -> Post:
    return Post(kafka.bootstrap)


def read(settings: KafkaSettings, number: int) -> list[Record]:
    """Return the committed records in the input topic, once there are this many."""
    found: list[Record] = []
    deadline = time.monotonic() + 10
    while len(found) < number and time.monotonic() < deadline:  # a commit is visible a moment after its acknowledgement
        with closing(Reader(settings, settings.input_topics)) as reader:
            found = list(reader.read("beginning", follow=False))
    assert len(found) == number
    return found


def begin(settings: KafkaSettings) -> Replay:
    admin = Admin(settings)
    topics = admin.topics([settings.dead_letter_topic, *settings.input_topics])
    return Replay(settings, admin, topics.pop(settings.dead_letter_topic), topics)


def test_a_replayed_event_is_unchanged_except_for_its_number_of_replays(settings: KafkaSettings, post: Post) -> None:
    own = (("trace", b"1"), ("trace", None))
    (events,) = settings.input_topics
    headers = letter_headers(events, 7, partition=1, own=own)
    again = letter_headers(events, 8, partition=1, own=(*own, ("scorer.replays", b"1")))
    for each in (headers, again):
        post.write(settings.dead_letter_topic, each, b"\x00\xff", key=b"k", timestamp=1_600_000_000_123, partition=0)
    post.write(settings.dead_letter_topic, letter_headers(events, 9, "empty"), None, partition=0)
    post.done()
    replay = begin(settings)
    for each_letter in Letterbox(settings):
        replay.add(each_letter)
    replay.commit()
    first, second = (record for record in read(settings, 3) if record.value)
    assert first == Record(events, 1, 0, 1_600_000_000_123, b"k", b"\x00\xff", (*own, ("scorer.replays", b"1")))
    assert second == Record(events, 1, 1, 1_600_000_000_123, b"k", b"\x00\xff", (*own, ("scorer.replays", b"2")))
    (null,) = (record for record in read(settings, 3) if not record.value)
    assert (null.key, null.value, null.headers) == (None, None, (("scorer.replays", b"1"),))
    assert replay.done == 3


def test_a_replay_is_invisible_until_committed_and_remembered_afterwards(settings: KafkaSettings) -> None:
    replay = begin(settings)
    (events,) = settings.input_topics
    replay.add(letter(3, topic=events))
    assert (read(settings, 0), replay.done) == ([], 0)
    replay.commit()
    assert (len(read(settings, 1)), replay.done) == (1, 1)
    later = begin(settings)
    assert letter(3, topic=events) in later.replayed
    assert letter(4, topic=events) not in later.replayed


def sized(offset: int, size: int, topic: str, key: bytes | None = b"k", timestamp: int = 0) -> Letter:
    """Return a letter whose event has this number of bytes."""
    plain = letter(offset, topic=topic)
    return open_letter(Record("dead", 0, offset, timestamp, key, b"%d" % offset + bytes(size), plain.record.headers))


def narrow(settings: KafkaSettings, config: dict[str, str]) -> KafkaSettings:
    """Settings whose input topic refuses some of the events."""
    topic = f"narrow-{uuid4().hex}"
    Admin(settings).create([Topic(topic, 1, config=config)])
    return settings.model_copy(update={"input_topics": (topic,)})


def replay_all(settings: KafkaSettings, letters: list[Letter]) -> Replay:
    """Replay the due letters among some, as the command does."""
    replay = begin(settings)
    for each in Due(letters, replay.replayed, Admin(settings).topics(settings.input_topics)):
        replay.add(each)
    replay.commit()
    return replay


def offsets(records: list[Record]) -> list[int]:
    return sorted(int((record.value or b"").rstrip(b"\0")) for record in records)


def test_refused_events_are_named_and_replayed_once_their_topic_is_fixed(
    settings: KafkaSettings,
) -> None:
    settings = narrow(settings, {"max.message.bytes": "1000"})
    (small,) = settings.input_topics
    sizes = [10, 2_000, 10, 3_000, 1_500, 10, 10]
    letters = [sized(offset, size, small) for offset, size in enumerate(sizes)]
    replay = replay_all(settings, letters)
    (text,) = replay.refused.texts()
    assert text.startswith(f"3 events of dead letters 0@1, 0@3, 0@4: topic {small} refused them (Broker: Message size")
    assert "its max.message.bytes is 1000: set that to 3" in text
    assert (replay.done, offsets(read(settings, 4))) == (4, [0, 2, 5, 6])
    again = replay_all(settings, [*letters, sized(7, 10, small)])
    assert (again.done, len(list(again.refused.texts()))) == (1, 1)
    assert offsets(read(settings, 5)) == [0, 2, 5, 6, 7]
    widen(settings, "10000")
    mended = replay_all(settings, [*letters, sized(7, 10, small)])
    assert (mended.done, bool(mended.refused)) == (3, False)
    assert offsets(read(settings, 8)) == list(range(8))
    assert replay_all(settings, letters).done == 0


def widen(settings: KafkaSettings, limit: str) -> None:
    admin = AdminClient({"bootstrap.servers": settings.bootstrap_servers})
    entry = ConfigEntry("max.message.bytes", limit, incremental_operation=AlterConfigOpType.SET)
    asked = ConfigResource(ConfigResource.Type.TOPIC, settings.input_topics[0], incremental_configs=[entry])
    for future in admin.incremental_alter_configs([asked]).values():
        future.result()
    (topic,), deadline = settings.input_topics, time.monotonic() + 10
    while Admin(settings).topics([topic])[topic].config["max.message.bytes"] != limit:
        assert time.monotonic() < deadline


def test_a_topic_that_refuses_nearly_all_events_is_not_tried_for_each(
    settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = narrow(settings, {"max.message.bytes": "1000"})
    (small,) = settings.input_topics
    tries, attempt = [], Replay._try

    def counted(self: Replay, letters: list[Letter]) -> dict[int, KafkaError]:
        tries.append(len(letters))
        return attempt(self, letters)

    monkeypatch.setattr(Replay, "_try", counted)
    replay = replay_all(settings, [sized(offset, 2_000 if offset % 100 else 10, small) for offset in range(1_200)])
    assert (replay.done, offsets(read(settings, 12))) == (12, list(range(0, 1_200, 100)))
    assert len(tries) <= 6


@pytest.mark.parametrize(
    ("config", "bad", "advice"),
    [
        ({"cleanup.policy": "compact"}, {"key": None}, "set its cleanup.policy to delete"),
        (
            {"message.timestamp.before.max.ms": "86400000"},
            {"timestamp": 1_000_000_000_000},
            "set its message.timestamp.after.max.ms and message.timestamp.before.max.ms",
        ),
    ],
)
def test_an_event_refused_for_its_key_or_timestamp_does_not_block_others(
    settings: KafkaSettings, config: dict[str, str], bad: dict[str, Any], advice: str
) -> None:
    settings = narrow(settings, config)
    (events,) = settings.input_topics
    now = int(time.time() * 1000)
    letters = [sized(at, 1, events, **({"timestamp": now} | (bad if at in {1, 3} else {}))) for at in range(5)]
    replay = replay_all(settings, letters)
    (text,) = replay.refused.texts()
    assert text.startswith("2 events of dead letters 0@1, 0@3: ")
    assert advice in text
    assert offsets(read(settings, 3)) == [0, 2, 4]


def test_a_new_replay_ends_a_running_one(settings: KafkaSettings) -> None:
    (events,) = settings.input_topics
    first = begin(settings)
    first.add(letter(0, topic=events))
    first.commit()
    second = begin(settings)
    assert letter(0, topic=events) in second.replayed
    first.add(letter(1, topic=events))
    with pytest.raises(Fatal, match="another replay of these dead letters has begun"):
        first.commit()
    second.add(letter(1, topic=events))
    second.commit()
    assert len(read(settings, 2)) == 2


def test_a_replay_that_goes_on_after_a_refusal_does_not_repeat_what_another_one_replayed(
    settings: KafkaSettings,
) -> None:
    settings = narrow(settings, {"max.message.bytes": "1000"})
    (small,) = settings.input_topics
    first = begin(settings)
    second = begin(settings)
    second.add(sized(0, 10, small))
    second.commit()
    first._connect()  # as it does after a refusal that came before the second one began
    first.add(sized(0, 10, small))
    first.add(sized(1, 2_000, small))
    with pytest.raises(Fatal, match="another replay of these dead letters has begun"):
        first.commit()
    assert offsets(read(settings, 1)) == [0]


def test_an_event_that_was_appended_in_an_aborted_transaction_is_written_again(
    losing: Losing, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker, proxy = losing
    # The refusal must end the transaction before the client writes again what was not acknowledged.
    slow = settings_of(broker.bootstrap, retry_backoff_ms="9000", retry_backoff_max_ms="9000")
    slow = slow.model_copy(update={"input_topics": ("in", "small")})
    Admin(slow).create([Topic("in", 1), Topic("small", 1, config={"max.message.bytes": "1000"}), Topic("dead", 1)])
    replay = begin(slow)
    handed_over = Replay._handed_over

    def refused_after_the_loss(self: Replay, write: Write, *others: Any) -> bool:
        assert write["topic"] != "small" or proxy.lost.wait(20)
        return handed_over(self, write, *others)

    replay.add(sized(0, 10, "in"))
    replay.add(sized(1, 2_000, "small"))
    proxy.lose_next()
    with monkeypatch.context() as first:
        first.setattr(Replay, "_handed_over", refused_after_the_loss)
        replay.commit()
    assert (replay.done, len(list(replay.refused.texts()))) == (1, 1)
    assert offsets(read(slow, 1)) == [0]


def test_the_replay_state_is_kept_in_its_own_compacted_topic(settings: KafkaSettings) -> None:
    begin(settings)
    begin(settings)
    name = f"{settings.dead_letter_topic}.replayed"
    topic = Admin(settings).topics([name])[name]
    assert (topic.partitions, topic.config["cleanup.policy"]) == (1, "compact")


def test_a_replay_uses_no_consumer_group(settings: KafkaSettings) -> None:
    begin(settings)
    consumer = Consumer({"bootstrap.servers": settings.bootstrap_servers, "group.id": settings.group_id})
    committed = consumer.committed([TopicPartition(settings.dead_letter_topic, 0)], timeout=10)
    consumer.close()
    assert committed[0].offset < 0


def test_nothing_is_replayed_if_the_brokers_become_unavailable(
    own_kafka: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scorer.kafka.dead_letters.replay.ABORT_SECONDS", 0.5)
    settings = KafkaSettings(
        bootstrap_servers=own_kafka.bootstrap,
        group_id="g",
        input_topics=("in",),
        output_topic="out",
        dead_letter_topic="dead",
        properties={"transaction.timeout.ms": "1000"},
    )
    Admin(settings).create([Topic("in", 1), Topic("dead", 1)])
    replay = begin(settings)
    own_kafka.kill()
    replay.add(letter(0))
    with pytest.raises(Unavailable, match="does not answer"):
        replay.commit()
    assert replay.done == 0


def test_due_and_skipped_dead_letters_are_counted() -> None:
    kept = Topic("in", 1, config={"retention.ms": "1000"})
    letters = [letter(0), letter(1), letter(2, reason=Reason.EMPTY), letter(3, topic="others"), letter(4, topic="old")]
    letters += [letter(5, source=1), letter(6, source=2**31 - 1)]
    replayed = Replayed(Topic("dead", 1), ())
    replayed.add(letters[0])
    due = Due(letters, replayed, {"in": kept, "old": Topic("old", 1)}, clock=lambda: 1.5)
    assert [each.offset for each in due] == [1, 2, 4]
    assert due.taken == {"truncated to in": 1, "empty to in": 1, "truncated to old": 1}
    assert (due.before, due.elsewhere, due.nowhere, due.old) == (1, {"others": 1}, {"in": 2}, 2)


def test_a_dead_letter_with_a_cut_event_is_not_replayed() -> None:
    said = letter_headers("in")
    cut, copied = ((*said, ("scorer.cut", b"")), (("scorer.cut", b""), *said))
    letters = [open_letter(Record("dead", 0, 0, 0, None, b"event", headers)) for headers in (cut, copied)]
    due = Due(letters, Replayed(Topic("dead", 1), ()), {"in": Topic("in", 1)})
    assert list(due) == letters[1:]
    assert due.cut == 1
