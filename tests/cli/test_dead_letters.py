import io
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import fastavro
import pytest
from confluent_kafka.admin import AdminClient

from scorer.batch import Reason
from scorer.cli import main
from scorer.kafka import Admin, Reader, Record, Topic
from scorer.sandbox import Kafka
from tests.cli.stream import SCHEMA, Stream, make_stream
from tests.kafka.dead_letters.letters import Post, letter_headers
from tests.kafka.ends import wait_ended

EVENT = {"id": "p1", "amount": 2.5, "card": {"number": 7}, "made": "2023-11-14T22:13:20.000Z"}
Capture = pytest.CaptureFixture[str]


def body() -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(SCHEMA), EVENT | {"made": 1_700_000_000_000})
    return out.getvalue()


@pytest.fixture
def stream(kafka: Kafka, tmp_path: Path) -> Stream:
    """Two partitions of events, two of dead letters."""
    stream = make_stream(tmp_path, kafka.bootstrap)
    Admin(stream.kafka).create([Topic(stream.kafka.input_topics[0], 2), Topic(stream.kafka.dead_letter_topic, 2)])
    return stream


@pytest.fixture
def post(kafka: Kafka) -> Post:
    return Post(kafka.bootstrap)


@pytest.fixture
def letters(stream: Stream, post: Post) -> Stream:
    """A stream with six dead letters: three of each partition, two of them empty."""
    for offset in range(6):
        reason = "empty" if offset in {1, 2} else "truncated"
        headers = letter_headers(stream.kafka.input_topics[0], offset, reason)
        post.write(stream.kafka.dead_letter_topic, headers, b"%d" % offset, partition=offset % 2)
    post.done()
    return stream


def documents(capsys: Capture) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def replayed(stream: Stream) -> list[str]:
    """Return the letters' events in the input topic, with repetitions."""
    return sorted((record.value or b"").decode() for record in read(stream))


def read(stream: Stream) -> Iterator[Record]:
    with closing(Reader(stream.kafka, stream.kafka.input_topics)) as reader:
        yield from reader.read("beginning", follow=False)


def dead_letters(stream: Stream, action: str, *words: str) -> int:
    return main(["dead-letters", action, "-c", str(stream.file), *words])


def replay(stream: Stream, *words: str) -> int:
    code = dead_letters(stream, "replay", *words)
    wait_until_visible(stream)
    return code


def wait_until_visible(stream: Stream, partitions: int = 2) -> None:
    """Wait until consumers of committed records see the replayed events."""
    (events,) = stream.kafka.input_topics
    wait_ended(stream.kafka.bootstrap_servers, events, partitions)
    wait_ended(stream.kafka.bootstrap_servers, f"{stream.kafka.dead_letter_topic}.replayed", 1)


def test_the_list_has_a_line_per_dead_letter_in_order_and_totals(letters: Stream, capsys: Capture) -> None:
    assert dead_letters(letters, "list") == 0
    header, *lines, total = capsys.readouterr().out.splitlines()
    assert header.split() == ["LETTER", "REASON", "EVENT", "MODEL", "TIME", "REPLAYS", "REPLAYED", "DETAIL"]
    assert [line.split()[0] for line in lines] == ["0@0", "0@1", "0@2", "1@0", "1@1", "1@2"]
    (events,) = letters.kafka.input_topics
    moment = "2026-03-01T09:12:44.201+00:00"
    row = ["1@1", "truncated", f"{events}-0@3", "fraud", "3", moment, "0", "no", "why", "3", "is", "truncated"]
    assert lines[4].split() == row
    assert total == "6 dead letters: 4 truncated, 2 empty; 0 replayed"


def test_json_output_has_one_document_per_line(letters: Stream, capsys: Capture) -> None:
    assert dead_letters(letters, "list", "--json", "--partition", "1", "--limit", "1") == 0
    assert documents(capsys) == [
        {
            "partition": 1,
            "offset": 0,
            "reason": "empty",
            "detail": "why 1 is empty",
            "source_topic": letters.kafka.input_topics[0],
            "source_partition": 0,
            "source_offset": 1,
            "model": "fraud",
            "version": "3",
            "time": "2026-03-01T09:12:44.201+00:00",
            "replays": 0,
            "replayed": False,
        }
    ]


def test_the_absence_of_dead_letters_is_not_an_error(stream: Stream, capsys: Capture) -> None:
    assert dead_letters(stream, "list") == 0
    assert capsys.readouterr().out == "0 dead letters; 0 replayed\n"
    assert replay(stream) == 0
    assert capsys.readouterr().err == "0 events replayed\n"


@pytest.mark.parametrize(
    ("words", "places"),
    [
        (["--reason", "empty"], {"0@1", "1@0"}),
        (["--partition", "0"], {"0@0", "0@1", "0@2"}),
        (["--partition", "0", "--reason", "empty"], {"0@1"}),
        (["--reason", "model-error"], set()),
    ],
)
def test_filters_select_dead_letters(letters: Stream, capsys: Capture, words: list[str], places: set[str]) -> None:
    assert dead_letters(letters, "list", "--json", *words) == 0
    assert {f"{each['partition']}@{each['offset']}" for each in documents(capsys)} == places


def test_a_dead_letter_is_shown_in_full(stream: Stream, post: Post, capsys: Capture) -> None:
    (events,) = stream.kafka.input_topics
    headers = letter_headers(events, 44, own=(("trace", b"\xff"), ("none", None), ("scorer.replays", b"2")))
    post.write(stream.kafka.dead_letter_topic, headers, body()[:5], key=b"k", timestamp=1_700_000_000_000, partition=1)
    post.done()
    assert dead_letters(stream, "show", "1@0") == 0
    assert capsys.readouterr().out.splitlines() == [
        "dead letter 1@0",
        "  reason     truncated",
        "  detail     why 44 is truncated",
        f"  event      {events}-0@44",
        "  model      fraud 3",
        "  time       2026-03-01T09:12:44.201+00:00",
        "  replays    2",
        "  replayed   no",
        "  timestamp  2023-11-14T22:13:20.000Z",
        "  key        k",
        "  headers    trace: 0xff",
        "             none: null",
        "  value      5 bytes",
        "             000000  04 70 31 00 00                                   .p1..",
        "  decoded    {",
        '               "id": "p1"',
        "             }",
        "             amount: a double begins at byte 3, and the value ends at byte 5; expected more bytes",
    ]
    assert dead_letters(stream, "show", "--json") == 0
    (document,) = documents(capsys)
    assert {name: document[name] for name in ("key", "timestamp", "headers", "value", "event", "unreadable")} == {
        "key": "k",
        "timestamp": "2023-11-14T22:13:20.000Z",
        "headers": [["trace", "0xff"], ["none", None]],
        "value": body()[:5].hex(),
        "event": {"id": "p1"},
        "unreadable": "amount: a double begins at byte 3, and the value ends at byte 5; expected more bytes",
    }


def test_a_dead_letter_with_a_complete_event_is_decoded_completely(stream: Stream, post: Post, capsys: Capture) -> None:
    for value in (body(), None):
        post.write(stream.kafka.dead_letter_topic, letter_headers("x", reason="no-features"), value, partition=0)
    post.done()
    assert dead_letters(stream, "show", "--json") == 0
    whole, null = documents(capsys)
    assert (whole["event"], whole["unreadable"]) == (EVENT, None)
    assert (null["event"], null["value"]) == ({}, None)
    assert dead_letters(stream, "show", "0@1") == 0
    assert "  key        null\n  headers    none\n  value      null\n" in capsys.readouterr().out


def test_a_missing_dead_letter_is_an_error(letters: Stream, capsys: Capture) -> None:
    assert dead_letters(letters, "show", "0@1", "0@7") == 1
    said = capsys.readouterr()
    assert said.out.startswith("dead letter 0@1\n")
    assert said.err == "error: no dead letter at 0@7; `scorer dead-letters list` shows where they are\n"


def test_replay_writes_each_event_once_and_keeps_the_dead_letters(letters: Stream, capsys: Capture) -> None:
    assert replay(letters) == 0
    assert capsys.readouterr().err == "6 events replayed\n"
    assert replay(letters) == 0
    assert capsys.readouterr().err == "0 events replayed\n6 were replayed before; --again replays them again\n"
    assert replayed(letters) == ["0", "1", "2", "3", "4", "5"]
    assert {record.headers for record in read(letters)} == {(("scorer.replays", b"1"),)}
    assert dead_letters(letters, "list", "--json") == 0
    assert [each["replayed"] for each in documents(capsys)] == [True] * 6


def test_a_dry_run_reports_the_replay_and_writes_nothing(letters: Stream, kafka: Kafka, capsys: Capture) -> None:
    (events,) = letters.kafka.input_topics
    assert dead_letters(letters, "replay", "--dry-run") == 0
    said = f"would replay 6 events: 4 truncated to {events}, 2 empty to {events}\n"
    assert capsys.readouterr() == ("", said)
    assert replayed(letters) == []
    topics = AdminClient({"bootstrap.servers": kafka.bootstrap}).list_topics(timeout=10).topics
    assert f"{letters.kafka.dead_letter_topic}.replayed" not in topics


def test_dead_letters_excluded_by_a_filter_can_be_replayed_later(letters: Stream, capsys: Capture) -> None:
    assert replay(letters, "--reason", "truncated", "--partition", "1", "--limit", "1") == 0
    assert replay(letters, "--reason", "empty") == 0
    assert replay(letters, "--partition", "0") == 0
    assert replay(letters, "--limit", "5") == 0
    assert [line.split()[0] for line in capsys.readouterr().err.splitlines() if "events" in line] == list("1221")
    assert replayed(letters) == ["0", "1", "2", "3", "4", "5"]


def test_again_replays_dead_letters_that_were_replayed_before(letters: Stream) -> None:
    assert replay(letters) == 0
    assert replay(letters, "--again", "--reason", "empty") == 0
    assert replay(letters) == 0
    assert replayed(letters) == ["0", "1", "1", "2", "2", "3", "4", "5"]


def test_an_event_of_an_unconfigured_topic_is_refused_and_can_be_replayed_later(
    letters: Stream, post: Post, capsys: Capture
) -> None:
    post.write(letters.kafka.dead_letter_topic, letter_headers("elsewhere"), partition=0)
    post.done()
    for events in (6, 0):
        assert replay(letters) == 1
        said = capsys.readouterr().err
        assert f"{events} events replayed\n" in said
        assert "not replayed: 1 events of topic elsewhere, which is not in kafka.input_topics (payments-" in said


def test_an_event_refused_by_its_topic_is_named_and_not_counted_in_the_limit(
    kafka: Kafka, tmp_path: Path, post: Post, capsys: Capture
) -> None:
    stream = make_stream(tmp_path, kafka.bootstrap)
    (events,) = stream.kafka.input_topics
    small = Topic(events, 2, config={"max.message.bytes": "1000"})
    Admin(stream.kafka).create([small, Topic(stream.kafka.dead_letter_topic, 1)])
    for offset in range(6):
        value = b"%d" % offset + bytes(2_000) * (offset < 2)
        post.write(stream.kafka.dead_letter_topic, letter_headers(events, offset), value, partition=0)
    post.done()
    for number in (3, 1, 0):
        assert dead_letters(stream, "replay", "--limit", "3") == 1
        done, refused = capsys.readouterr().err.split("\n", 1)
        assert done == f"{number} events replayed"
        assert f"not replayed: 2 events of dead letters 0@0, 0@1: topic {events} refused them (" in refused
        assert "its max.message.bytes is 1000: set that to " in refused
    wait_ended(kafka.bootstrap, f"{stream.kafka.dead_letter_topic}.replayed", 1)
    wait_ended(kafka.bootstrap, events, 2)
    assert replayed(stream) == ["2", "3", "4", "5"]
    assert dead_letters(stream, "list", "--json") == 0
    assert [each["replayed"] for each in documents(capsys)] == [False, False, True, True, True, True]


def test_records_that_are_not_dead_letters_are_skipped(letters: Stream, post: Post, capsys: Capture) -> None:
    post.write(letters.kafka.dead_letter_topic, (("trace", b"1"),), partition=1)
    post.done()
    for action in ("list", "show", "replay"):
        assert dead_letters(letters, action) == 0
        said = f"skipped 1 records of {letters.kafka.dead_letter_topic} that are not dead letters; the first is 1@3: "
        assert capsys.readouterr().err.endswith(said + "it has no header scorer.reason\n")
    wait_until_visible(letters)
    assert len(replayed(letters)) == 6


def test_events_older_than_the_retention_cause_a_warning(stream: Stream, post: Post, capsys: Capture) -> None:
    post.write(stream.kafka.dead_letter_topic, letter_headers(stream.kafka.input_topics[0]), timestamp=1_000)
    post.done()
    assert dead_letters(stream, "replay", "--dry-run") == 0
    assert "warning: 1 of the events are older than their topic's retention.ms" in capsys.readouterr().err


def test_a_missing_topic_is_named(kafka: Kafka, tmp_path: Path, capsys: Capture) -> None:
    stream = make_stream(tmp_path, kafka.bootstrap)
    for action in ("list", "show", "replay"):
        assert dead_letters(stream, action) == 1
        said = f"error: missing topics: {stream.kafka.dead_letter_topic}; `scorer topics --create` creates them\n"
        assert capsys.readouterr().err == said


def test_a_missing_partition_is_named(letters: Stream, capsys: Capture) -> None:
    assert dead_letters(letters, "list", "--partition", "7") == 1
    assert "has no partition 7; it has 2, from 0" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "the following arguments are required: ACTION"),
        (["lost"], "invalid choice: 'lost'"),
        (["list", "--reason", "bad"], "argument --reason: unknown reason 'bad'; expected one of empty, too-large, "),
        (["list", "--partition", "-1"], "argument --partition: found '-1'; expected a partition number"),
        (["list", "--limit", "0"], "argument --limit: '0' is not a whole number above 0"),
        (["show", "17"], "argument PARTITION@OFFSET: found '17'; expected PARTITION@OFFSET, such as 0@17"),
        (["replay", "--again", "--limit", "1"], "argument --limit: not allowed with argument --again"),
    ],
)
def test_wrong_usage_exits_2(capsys: Capture, words: list[str], said: str) -> None:
    assert main(["dead-letters", *words]) == 2
    assert said in capsys.readouterr().err


def test_help_names_every_reason(capsys: Capture) -> None:
    assert main(["dead-letters", "list", "--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert f"only: {', '.join(Reason)}" in said
