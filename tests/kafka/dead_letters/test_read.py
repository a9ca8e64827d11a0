import pytest

from scorer.batch import Reason
from scorer.kafka import Letterbox
from scorer.kafka.dead_letters.read import NotADeadLetter, open_letter
from scorer.kafka.headers import Headers
from scorer.kafka.operate.reader import Record
from scorer.sandbox import Kafka
from scorer.settings import KafkaSettings
from tests.conftest import MakeTopic
from tests.kafka.dead_letters.letters import Post, letter_headers

OWN: Headers = (("trace", b"1"), ("trace", b"2"), ("none", None))


def record(headers: Headers) -> Record:
    return Record("dead", 2, 17, 1234, b"key", b"event", headers)


def without(name: str) -> Headers:
    return tuple(header for header in letter_headers("flights") if header[0] != name)


def test_a_dead_letter_has_the_values_of_its_headers() -> None:
    letter = open_letter(record(letter_headers("flights", 44, "bad-value", 1, OWN)))
    assert (letter.reason, letter.detail) == (Reason.BAD_VALUE, "why 44 is bad-value")
    assert (letter.topic, letter.partition, letter.offset) == ("flights", 1, 44)
    assert (letter.model, letter.version, letter.time) == ("fraud", "3", "2026-03-01T09:12:44.201+00:00")
    assert (letter.place, letter.headers, letter.replays) == ("2@17", OWN, 0)


def test_the_number_of_replays_is_read_from_its_header() -> None:
    headers = letter_headers("flights", own=(*OWN, ("scorer.replays", b"3")))
    letter = open_letter(record(headers))
    assert (letter.replays, letter.headers) == (3, OWN)


@pytest.mark.parametrize("value", [b"9" * 5000, b"many", b"-1", b"\xff", "٣".encode(), None, b"9223372036854775807"])
def test_an_invalid_number_of_replays_counts_as_0(value: bytes) -> None:
    headers = letter_headers("flights", own=(("scorer.replays", value),))
    assert open_letter(record(headers)).replays == 0


def test_the_last_of_duplicate_headers_counts() -> None:
    twice = letter_headers("others", 1, "empty") + letter_headers("flights", 2, "truncated")
    letter = open_letter(record(twice))
    assert (letter.topic, letter.offset, letter.reason) == ("flights", 2, Reason.TRUNCATED)


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ((), "it has no header scorer.reason"),
        (OWN, "it has no header scorer.reason"),
        (without("scorer.offset"), "it has no header scorer.offset"),
        ((*without("scorer.offset"), ("scorer.offset", b"-1")), "its header scorer.offset is '-1'; expected a number"),
        ((*without("scorer.offset"), ("scorer.offset", None)), "its header scorer.offset is ''; expected a number"),
        (
            (*without("scorer.offset"), ("scorer.offset", b"x")),
            "its header scorer.offset is 'x'; expected a number from 0 to 9223372036854775807",
        ),
        (
            (*without("scorer.offset"), ("scorer.offset", b"9" * 5000)),
            f"its header scorer.offset is '{'9' * 40}... (5,000 characters)'; expected a number",
        ),
        (
            (*without("scorer.offset"), ("scorer.offset", b"9223372036854775808")),
            "its header scorer.offset is '9223372036854775808'; expected a number",
        ),
        (
            (*without("scorer.partition"), ("scorer.partition", b"2147483648")),
            "its header scorer.partition is '2147483648'; expected a number from 0 to 2147483647",
        ),
        (
            (*without("scorer.partition"), ("scorer.partition", "٣".encode())),
            "its header scorer.partition is '٣'; expected a number",
        ),
        (
            (*without("scorer.partition"), ("scorer.partition", b"\xff")),
            "its header scorer.partition is '\ufffd'; expected a number",
        ),
        (letter_headers("flights", reason="bad"), "its header scorer.reason is 'bad'; expected one of empty, "),
    ],
)
def test_a_record_that_is_not_a_dead_letter_is_reported_with_the_reason(headers: Headers, why: str) -> None:
    with pytest.raises(NotADeadLetter) as error:
        open_letter(record(headers))
    assert str(error.value).startswith(why)


def test_selected_dead_letters_are_read_and_other_records_counted(
    kafka: Kafka, kafka_settings: KafkaSettings, make_topic: MakeTopic
) -> None:
    topic, post = make_topic(partitions=2), Post(kafka.bootstrap)
    for offset in range(20):
        reason = "truncated" if offset % 4 else "empty"
        post.write(topic, letter_headers("in", offset, reason), partition=offset % 2)
        post.write(topic, OWN, partition=0)
    post.done()
    settings = kafka_settings.model_copy(update={"dead_letter_topic": topic})

    def offsets(reason: Reason | None = None, partition: int | None = None) -> list[int]:
        return sorted(letter.offset for letter in Letterbox(settings, reason, partition))

    assert offsets() == list(range(20))
    assert offsets(Reason.EMPTY) == [0, 4, 8, 12, 16]
    assert offsets(partition=1) == list(range(1, 20, 2))
    assert offsets(Reason.EMPTY, 1) == []
    box = Letterbox(settings)
    list(box)
    assert box.unrecognised == 20
    assert box.first_unrecognised == "0@1: it has no header scorer.reason"
