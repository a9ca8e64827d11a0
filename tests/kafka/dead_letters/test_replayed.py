import pytest
from hypothesis import given
from hypothesis import strategies as st

from scorer.batch import Reason
from scorer.kafka import Replayed, Topic
from scorer.kafka.operate.reader import Record
from tests.kafka.dead_letters.letters import letter

DEAD = Topic("dead", 3, id="the-id")
REASONS = [Reason.EMPTY, Reason.TRUNCATED, Reason.BAD_VALUE]


def remembered(memory: list[tuple[bytes, bytes]], topic: Topic = DEAD) -> Replayed:
    return Replayed(topic, [Record("dead.replayed", 0, at, 0, *news, ()) for at, news in enumerate(memory)])


@given(
    reasons=st.lists(st.sampled_from(REASONS), max_size=30),
    runs=st.lists(
        st.tuples(st.none() | st.sampled_from(REASONS), st.none() | st.integers(0, 2), st.none() | st.integers(1, 5)),
        max_size=8,
    ),
)
def test_whatever_filters_are_used_each_letter_is_replayed_once(
    reasons: list[Reason], runs: list[tuple[Reason | None, int | None, int | None]]
) -> None:
    letters = [letter(index // 3, index % 3, reason) for index, reason in enumerate(reasons)]
    memory: list[tuple[bytes, bytes]] = []
    replayed = []
    for reason, partition, limit in [*runs, (None, None, None)]:
        known = remembered(memory)
        chosen = [
            one
            for one in letters
            if one not in known and reason in {None, one.reason} and partition in {None, one.record.partition}
        ]
        for one in chosen[:limit]:
            known.add(one)
            replayed.append(one.place)
        memory += known.news()
    assert sorted(replayed) == sorted(one.place for one in letters)


def test_input_topics_are_remembered_apart() -> None:
    known = remembered([])
    known.add(letter(5, topic="flights"))
    assert letter(5, topic="flights") in known
    assert letter(4, topic="others") not in known


def test_what_is_left_out_for_its_partition_can_be_replayed_once_that_exists() -> None:
    known = remembered([])
    known.add(letter(5, source=0))
    later = remembered(known.news())
    assert letter(4, source=0) in later
    assert letter(4, source=7) not in later


def test_what_was_remembered_without_partitions_holds_for_all_of_them() -> None:
    known = remembered([(b"the-id 0 truncated in", b"6")])
    assert (letter(5, source=3) in known, letter(6, source=3) in known) == (True, False)
    known.forget(None, None)
    later = remembered([(b"the-id 0 truncated in", b"6"), *known.news()])
    assert letter(5, source=3) not in later


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (None, b"1"),
        (b"", b"1"),
        (b"\xff", b"1"),
        (b"the-id 0 truncated", b"1"),
        (b"the-id 0 truncated in 0 0", b"1"),
        (b"the-id x truncated in 0", b"1"),
        (b"the-id 0 lost in 0", b"1"),
        (b"the-id 0 truncated in 0", b"many"),
        (b"the-id 0 truncated in 0", b"9" * 5000),
    ],
)
def test_what_remembers_nothing_is_counted_and_hides_nothing(key: bytes, value: bytes) -> None:
    good = (b"the-id 0 truncated in 0", b"3")
    known = remembered([good, (key, value)])
    assert (known.unreadable, letter(2) in known, letter(3) in known) == (1, True, False)


def test_what_was_forgotten_is_to_be_replayed_again_and_that_is_remembered() -> None:
    known = remembered([])
    for reason in REASONS:
        for partition in range(3):
            known.add(letter(5, partition, reason))
    memory = known.news()
    again = remembered(memory)
    assert again.news() == []
    again.forget(Reason.EMPTY, 1)
    later = remembered(memory + again.news())
    forgotten = [
        (reason, partition) for reason in REASONS for partition in range(3) if letter(5, partition, reason) not in later
    ]
    assert forgotten == [(Reason.EMPTY, 1)]


def test_a_topic_of_the_same_name_that_was_made_anew_begins_anew() -> None:
    known = remembered([])
    known.add(letter(5))
    assert letter(5) not in remembered(known.news(), Topic("dead", 3, id="another-id"))
