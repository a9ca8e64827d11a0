import pytest
from hypothesis import given
from hypothesis import strategies as st

from scorer.batch import Reason
from scorer.kafka import Replayed, Topic
from scorer.kafka.operate.reader import Record
from tests.kafka.dead_letters.letters import letter

DEAD = Topic("dead", 3, id="the-id")
REASONS = [Reason.EMPTY, Reason.TRUNCATED, Reason.BAD_VALUE]


def remembered(memory: list[tuple[bytes, bytes | None]], topic: Topic = DEAD) -> Replayed:
    return Replayed(topic, [Record("dead.replayed", 0, at, 0, *news, ()) for at, news in enumerate(memory)])


@given(
    reasons=st.lists(st.sampled_from(REASONS), max_size=30),
    bad=st.sets(st.integers(0, 29)),
    runs=st.lists(
        st.tuples(
            st.none() | st.sampled_from(REASONS),
            st.none() | st.integers(0, 2),
            st.none() | st.integers(1, 5),
            st.booleans(),  # whether the topic is fixed by then
        ),
        max_size=8,
    ),
)
def test_each_dead_letter_is_replayed_once_despite_filters_and_refusals(
    reasons: list[Reason], bad: set[int], runs: list[tuple[Reason | None, int | None, int | None, bool]]
) -> None:
    letters = [letter(index // 3, index % 3, reason) for index, reason in enumerate(reasons)]
    memory: list[tuple[bytes, bytes | None]] = []
    replayed: list[str] = []
    for reason, partition, limit, mended in [*runs, (None, None, None, True)]:
        known, done = remembered(memory), len(replayed)
        for index, one in enumerate(letters):
            if one in known or reason not in {None, one.reason} or partition not in {None, one.record.partition}:
                continue
            if index in bad and not mended:
                known.refuse(one)
                continue
            known.add(one)
            replayed.append(one.place)
            if len(replayed) - done == limit:
                break
        memory += known.changes()
    assert sorted(replayed) == sorted(one.place for one in letters)


def test_a_refusal_is_cleared_when_its_dead_letter_is_replayed_or_forgotten() -> None:
    known = remembered([])
    for one in (letter(3), letter(4), letter(4, partition=1)):
        known.refuse(one)
    known.add(letter(5))
    known.add(letter(5, partition=1))
    memory = known.changes()
    later = remembered(memory)
    assert [letter(offset) in later for offset in range(7)] == [True, True, True, False, False, True, False]
    assert later.changes() == []
    later.add(letter(3))
    later.forget(None, 1)
    news = dict(later.changes())
    assert news[b"the-id 0 truncated in 0 3"] is None
    assert news[b"the-id 1 truncated in 0 4"] is None
    last = remembered([*memory, *news.items()])
    assert [letter(offset) in last for offset in range(7)] == [True, True, True, True, False, True, False]
    assert letter(5, partition=1) not in last


def test_older_versions_can_read_the_same_state_without_refusals() -> None:
    known = remembered([])
    known.refuse(letter(3))
    known.add(letter(5))
    assert dict(known.changes()) == {b"the-id 0 truncated in 0": b"6", b"the-id 0 truncated in 0 3": b"refused"}


def test_input_topics_are_tracked_separately() -> None:
    known = remembered([])
    known.add(letter(5, topic="flights"))
    assert letter(5, topic="flights") in known
    assert letter(4, topic="others") not in known


def test_dead_letters_of_other_source_partitions_are_tracked_separately() -> None:
    known = remembered([])
    known.add(letter(5, source=0))
    later = remembered(known.changes())
    assert letter(4, source=0) in later
    assert letter(4, source=7) not in later


def test_state_without_partitions_applies_to_all_of_them() -> None:
    known = remembered([(b"the-id 0 truncated in", b"6")])
    assert (letter(5, source=3) in known, letter(6, source=3) in known) == (True, False)
    known.forget(None, None)
    later = remembered([(b"the-id 0 truncated in", b"6"), *known.changes()])
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
        (b"the-id 0 truncated in 0 0", b"refused?"),
        (b"the-id 0 truncated in 0 0 0", b"refused"),
        (b"the-id 0 truncated in 0 x", b"refused"),
    ],
)
def test_an_unreadable_state_record_is_counted_and_hides_nothing(key: bytes, value: bytes) -> None:
    good = (b"the-id 0 truncated in 0", b"3")
    known = remembered([good, (key, value)])
    assert (known.unreadable, letter(2) in known, letter(3) in known) == (1, True, False)


def test_forgotten_replays_are_due_again_and_this_is_persisted() -> None:
    known = remembered([])
    for reason in REASONS:
        for partition in range(3):
            known.add(letter(5, partition, reason))
    memory = known.changes()
    again = remembered(memory)
    assert again.changes() == []
    again.forget(Reason.EMPTY, 1)
    later = remembered(memory + again.changes())
    forgotten = [
        (reason, partition) for reason in REASONS for partition in range(3) if letter(5, partition, reason) not in later
    ]
    assert forgotten == [(Reason.EMPTY, 1)]


def test_a_recreated_topic_of_the_same_name_starts_without_state() -> None:
    known = remembered([])
    known.add(letter(5))
    assert letter(5) not in remembered(known.changes(), Topic("dead", 3, id="another-id"))
