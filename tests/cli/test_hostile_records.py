"""Records of other writers: the commands report each in a line and continue, and show no control character."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from scorer.avro import Salvage, unframed
from scorer.cli.shown import letters
from scorer.cli.shown.table import aligned
from scorer.cli.shown.views import VIEWS, View
from scorer.kafka import Admin, Letter, Record, Replayed, Topic
from scorer.kafka.dead_letters.read import NotADeadLetter, open_letter
from scorer.kafka.headers import Headers
from scorer.sandbox import Kafka
from scorer.serving.formats import open_formats
from scorer.settings import Settings, load
from tests.cli.stream import SCHEMA, Stream, make_stream
from tests.cli.test_dead_letters import EVENT, body, dead_letters, replayed, wait_until_visible
from tests.cli.test_tail import PREDICTION, PREDICTIONS, avro
from tests.kafka.dead_letters.letters import Post, letter_headers
from tests.kafka.raw_headers import write_raw

HOSTILE = "\x1b[2J\x1b]52;c;aGk=\x07\x9b1m\x7f\r\n\u202e\u2028"
NUMBERS = [b"9" * 5000, b"-1", b"many", b"", None, b"2147483648", b"9223372036854775808", "٣".encode(), b"\xff", b"1e3"]
TIMES = [-(2**63), -(10**15), -2, -1, 0, 253_402_300_799_999, 253_402_300_800_000, 2**53, 2**63 - 1]
NAMES = ["scorer.reason", "scorer.detail", "scorer.topic", "scorer.partition", "scorer.offset", "scorer.model"]
NAMES += ["scorer.version", "scorer.time", "scorer.replays", "scorer.", "scorer.key", "scorer.event", "", HOSTILE]

Capture = pytest.CaptureFixture[str]
TIMES_LIMIT = "message.timestamp.after.max.ms"
FORGED = [
    ("scorer.replays", b"replays"),
    ("scorer.detail", HOSTILE.encode()),
    ("scorer.partition", b"7"),
    ("scorer.partition", b"2147483647"),
]
WRONG = [
    ("scorer.partition", b"2147483648"),
    ("scorer.offset", b"9" * 5000),
    ("scorer.offset", b"many"),
    ("scorer.reason", HOSTILE.encode()),
]

texts = st.sampled_from([HOSTILE.encode(), b"\xff\xfe", b"truncated", b"in"]) | st.binary(max_size=12)
contents = st.sampled_from(NUMBERS) | texts | st.none()
values = (
    st.none()
    | st.binary(max_size=60)
    | st.sampled_from([body(), body()[:-1], body() + b"x"])
    | st.builds(lambda text: avro(SCHEMA, EVENT | {"id": text, "made": 2**62}), st.text(max_size=8))
    | st.builds(lambda text: avro(PREDICTION, PREDICTIONS[0] | {"event_id": text}), st.just(HOSTILE) | st.text())
    | st.builds(
        lambda text, part: avro(
            PREDICTION, PREDICTIONS[0] | {"explanation": [{"column": text, "value": part, "contribution": part}]}
        ),
        st.just(HOSTILE) | st.text(),
        st.floats(),
    )
)
good = st.builds(letter_headers, st.just("in"))
headers = st.builds(
    lambda first, more: (*first, *more), good | st.just(()), st.lists(st.tuples(st.sampled_from(NAMES), contents))
)
records = st.builds(
    Record,
    topic=st.just("topic"),
    partition=st.just(0),
    offset=st.integers(0, 2**63 - 1),
    timestamp=st.sampled_from(TIMES) | st.integers(-(2**63), 2**63 - 1),
    key=contents,
    value=values,
    headers=headers,
)


def is_terminal_control(char: str) -> bool:
    """Whether a terminal would obey a character instead of showing it."""
    return char < " " or "\x7f" <= char < "\xa0" or char in {"\u2028", "\u202e"}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    stream = make_stream(tmp_path_factory.mktemp("hostile"), "nowhere:1")
    return load(stream.file, environ={}, overrides=["predictions.shadow_topic=shadows"]).settings


@pytest.fixture(scope="module")
def views(settings: Settings) -> list[View]:
    return [make(settings) for make in VIEWS.values()]


@pytest.fixture(scope="module")
def salvage(settings: Settings) -> Salvage:
    schema = open_formats(settings).schema
    return Salvage(schema, unframed(schema))


@given(record=records)
def test_tail_shows_every_record_on_its_own_line(views: list[View], record: Record) -> None:
    for view in views:
        document = view.document(record)
        line = view.line(record, document)
        assert isinstance(line, Text)
        assert not any(is_terminal_control(char) for char in line.plain)
        json.dumps(document)


@given(record=records)
def test_a_dead_letter_is_shown_or_reported_as_invalid(salvage: Salvage, record: Record) -> None:
    replayed = Replayed(Topic("dead", 1), ())
    try:
        letter = open_letter(record)
    except NotADeadLetter:
        return
    assert 0 <= letter.partition < 2**31
    assert 0 <= letter.offset < 2**63
    for text in shown(letter, replayed, salvage):
        assert not any(is_terminal_control(char) for char in text)


def shown(letter: Letter, replayed: Replayed, salvage: Salvage) -> Iterator[str]:
    document = letters.document(letter, replayed)
    json.dumps([document, letters.full_document(letter, replayed, salvage)])
    yield from aligned(letters.HEADER, [letters.row(document)])
    yield from letters.full_text(letter, replayed, salvage).split("\n")


@pytest.fixture
def stream(kafka: Kafka, tmp_path: Path) -> Stream:
    """One good dead letter among hostile ones, of a topic with one partition."""
    stream = make_stream(tmp_path, kafka.bootstrap)
    (events,), dead = stream.kafka.input_topics, stream.kafka.dead_letter_topic
    Admin(stream.kafka).create([Topic(name, 1, config={TIMES_LIMIT: str(2**63 - 1)}) for name in (events, dead)])
    post = Post(kafka.bootstrap)
    for name, content in [*FORGED, ("scorer.offset", b"1"), *WRONG]:
        headers = [header for header in letter_headers(events, 1) if header[0] != name]
        post.write(dead, (*headers, (name, content)), content, timestamp=2**62)
    post.done()
    write_raw(kafka.bootstrap, dead, [(b"raw", [(b"\xff\x1b", b"v"), *raw_headers(letter_headers(events, 2))])])
    return stream


def raw_headers(headers: Headers) -> list[tuple[bytes, bytes | None]]:
    return [(name.encode(), content) for name, content in headers]


def test_bad_dead_letters_take_one_line_each_and_are_not_replayed(stream: Stream, capsys: Capture) -> None:
    left_out = f"skipped {len(WRONG)} records of {stream.kafka.dead_letter_topic} that are not dead letters"
    assert dead_letters(stream, "list") == 0
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 1 + len(FORGED) + 2 + 1
    assert said.err.startswith(left_out)
    assert dead_letters(stream, "show") == 0
    said = capsys.readouterr()
    assert said.out.count("dead letter 0@") == len(FORGED) + 2
    assert "4611686018427387904" in said.out
    assert r"\xff\x1b: v" in said.out
    assert not any(is_terminal_control(char) for char in said.out.replace("\n", ""))
    for words in (["--dry-run"], []):
        assert dead_letters(stream, "replay", *words) == 1
        said = capsys.readouterr()
        assert "not replayed: 2 events of partitions that topic" in said.err
        assert left_out in said.err
    wait_until_visible(stream, partitions=1)
    assert replayed(stream) == [HOSTILE, "1", "raw", "replays"]


def test_tail_shows_each_bad_dead_letter_on_one_line(stream: Stream, capsys: Capture) -> None:
    assert stream.run("tail", "dead-letters", "--from", "beginning") == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(FORGED) + 1 + len(WRONG) + 1
    assert not any(is_terminal_control(char) for line in lines for char in line)
    assert stream.run("tail", "dead-letters", "--from", "beginning", "--json") == 0
    documents = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["partition"] for each in documents][:3] == [0, 0, 7]
    assert documents[-1]["headers"] == [["\\xff\x1b", "v"]]
