"""What the loop may rely on in delivery and in the source: the loop's fakes keep it, and real brokers keep it."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress

import pytest

from scorer.batch import Reason, Records, Rejected
from scorer.errors import Aborted, Fatal
from scorer.kafka.delivery import transactions
from tests.kafka import fakes
from tests.kafka.delivery.replicas import EVENTS, PARTITIONS, Fake, Real, Replica, until
from tests.kafka.ends import turns
from tests.kafka.fakes import EACH, IN_FLIGHT, MOST, WINDOW, Row, rows

MODES: dict[str, type[fakes.AtLeastOnce | fakes.ExactlyOnce]] = {
    "at-least-once": fakes.AtLeastOnce,
    "exactly-once": fakes.ExactlyOnce,
}
FIRST = EACH * len(PARTITIONS)  # events of one batch, if it is full

# Those that the real broker lets wait for many seconds; `make test` has the other mode of delivery.
slow = pytest.mark.parametrize(
    "replica",
    [
        "fake-at-least-once",
        "real-at-least-once",
        "fake-exactly-once",
        pytest.param("real-exactly-once", marks=pytest.mark.prove),
    ],
    indirect=True,
)
at_least_once = pytest.mark.parametrize("replica", ["fake-at-least-once", "real-at-least-once"], indirect=True)
exactly_once = pytest.mark.parametrize("replica", ["fake-exactly-once", "real-exactly-once"], indirect=True)


def make(name: str, request: pytest.FixtureRequest, broker: str, **properties: str) -> Replica:
    kind, _, mode = name.partition("-")
    return Fake(MODES[mode]) if kind == "fake" else Real.on(request.getfixturevalue(broker), mode, **properties)


@pytest.fixture(params=[f"{kind}-{mode}" for kind in ("fake", "real") for mode in MODES])
def replica(request: pytest.FixtureRequest) -> Iterator[Replica]:
    """A replica in each mode of delivery, on fakes and on the shared broker."""
    quick = {"heartbeat_interval_ms": "300", "session_timeout_ms": "6000"}
    with closing(make(request.param, request, "kafka", **quick)) as made:
        yield made


@pytest.fixture
def frozen(request: pytest.FixtureRequest) -> Iterator[Replica]:
    """A replica with a broker of its own, to be frozen for less than a session."""
    with closing(make(request.param, request, "own_kafka")) as made:
        yield made


def places(batches: Sequence[Records]) -> list[Row]:
    return [place for batch in batches for place in rows(batch)]


def ends(batches: Sequence[Records]) -> dict[int, int]:
    return {partition: offset + 1 for partition, offset in places(batches)}


def unread(replica: Replica) -> list[Row]:
    """Return the events below a committed offset that have neither a prediction nor a dead letter."""
    written = {*replica.predictions(), *replica.letters()}
    below = [(number, offset) for number, end in replica.committed().items() for offset in range(end)]
    return [place for place in below if place not in written]


def read_from_all(replica: Replica) -> list[Records]:
    """Read batches that have events of each partition."""
    batches = replica.read(FIRST)
    until(lambda: ends(batches).keys() == set(PARTITIONS), lambda: batches.extend(replica.read(1)))
    return batches


def publish(replica: Replica, batches: Sequence[Records]) -> None:
    """Publish batches as the loop does: while the window has room."""
    for batch in batches:
        if replica.delivery.full(len(batch)):
            replica.acknowledge()
        replica.publish(batch)


def test_predictions_written_before_a_commit_can_be_read_after_it(replica: Replica) -> None:
    batches = replica.read(2 * FIRST)
    publish(replica, batches)
    replica.acknowledge()
    replica.confirm()
    assert replica.committed() == ends(batches)
    assert sorted(replica.predictions()) == sorted(places(batches)), "each once"
    assert replica.delivery.idle
    assert replica.delivery.uncommitted == 0
    for partition in PARTITIONS:
        assert [place for place in replica.predictions() if place[0] == partition] == [
            place for place in places(batches) if place[0] == partition
        ], "in the order of the events"


def test_nothing_is_committed_before_it_is_acknowledged(replica: Replica) -> None:
    told: list[Sequence[Rejected]] = []
    (batch, *_) = replica.read(FIRST)
    replica.publish(batch, on_written=told.append)
    replica.happens("confirm")
    for _ in range(3):
        replica.delivery.commit()
        replica.source.keep_alive(None, 0.05)
    waiting = not replica.transactional  # nobody has taken a delivery report yet
    assert replica.delivery.idle != waiting
    assert told == ([] if waiting else [[]])
    assert replica.committed() == ({} if waiting else ends([batch]))
    assert replica.delivery.uncommitted == (len(batch) if waiting else 0)
    assert (replica.delivery.waiting_seconds > 0) == waiting
    assert unread(replica) == []
    replica.acknowledge()
    replica.confirm()
    assert told == [[]]
    assert replica.committed() == ends([batch])


@at_least_once
def test_a_batch_is_not_committed_before_an_earlier_one(replica: Replica) -> None:
    batches = replica.read(2 * FIRST)[:2]
    replica.publish(batches[0], large=[0])  # refused, and not written again before `serve`
    replica.publish(batches[1])

    def later_is_written() -> bool:
        replica.delivery.settle(1)
        return {*places(batches[1:])} <= {*replica.predictions()}

    until(later_is_written, lambda: None)
    replica.happens("confirm")
    for _ in range(3):
        assert not replica.delivery.settle(1)
        replica.source.keep_alive(None, 0.05)
    assert replica.committed() == {}
    assert replica.delivery.uncommitted == len(places(batches))
    replica.acknowledge()
    replica.confirm()
    assert replica.committed() == ends(batches)
    assert unread(replica) == []


@slow
def test_records_and_writes_are_counted_separately(replica: Replica) -> None:
    told: list[Sequence[Rejected]] = []
    batches = replica.read(FIRST)
    until(lambda: len(batches[-1]) > 2, lambda: batches.extend(replica.read(1)))
    batch = batches.pop()
    publish(replica, batches)
    replica.acknowledge()

    def attempt() -> None:
        with suppress(Aborted):  # the brokers' reason may come with the second attempt only
            replica.publish(batch, large=[1], rejected=[0], on_written=told.append)
            done.append(True)

    done: list[bool] = []
    until(lambda: bool(done), attempt)
    assert replica.delivery.uncommitted in {0, len(batch)}
    replica.acknowledge()
    replica.confirm()
    assert [[(each.row, each.reason) for each in unwritable] for unwritable in told] == [[(1, Reason.UNWRITABLE)]]
    assert sorted(replica.letters()) == sorted(rows(batch)[:2])
    assert sorted(replica.predictions()) == sorted([*places(batches), *rows(batch)[2:]])
    assert replica.committed() == ends([*batches, batch])


def test_a_full_window_accepts_batches_again_once_it_is_acknowledged(replica: Replica) -> None:
    published: list[Records] = []
    for batch in replica.read(2 * EVENTS):
        if not replica.delivery.full(1):
            replica.publish(batch)
            published.append(batch)
    full = replica.delivery.full(1)
    assert full != replica.transactional
    assert len(published) == WINDOW if full else sorted(places(published)) == all_events()
    assert full != replica.delivery.idle
    replica.acknowledge()
    assert not replica.delivery.full(IN_FLIGHT)
    assert replica.delivery.idle
    assert sorted(replica.predictions()) == sorted(places(published))


def test_batches_in_flight_are_limited_by_their_records_too(replica: Replica) -> None:
    assert not replica.delivery.full(IN_FLIGHT + 1)  # one that is alone always has room
    batch = replica.read(1)[0]
    replica.publish(batch)
    left = IN_FLIGHT - len(batch)
    assert [replica.delivery.full(left), replica.delivery.full(left + 1)] == [False, not replica.transactional]
    replica.acknowledge()
    assert not replica.delivery.full(IN_FLIGHT + 1)


def all_events() -> list[Row]:
    return [(partition, offset) for partition in PARTITIONS for offset in range(EVENTS)]


def test_commits_lag_until_the_consumer_receives_their_response(replica: Replica) -> None:
    batches = replica.read(2 * EVENTS)
    for batch in batches:
        replica.publish(batch)
        replica.acknowledge()
        assert replica.delivery.behind == (replica.delivery.uncommitted > MOST)
    behind = replica.delivery.behind
    assert behind != replica.transactional
    assert replica.delivery.uncommitted == (2 * EVENTS if behind else 0)
    for _ in range(3):
        replica.delivery.serve(0.05)
        replica.delivery.commit()
        assert replica.delivery.behind == behind
    replica.confirm()
    assert not replica.delivery.behind
    assert replica.committed() == ends(batches)


@exactly_once
def test_an_aborted_transaction_is_invisible_and_retried(replica: Replica) -> None:
    batches = replica.read(2 * FIRST)[:2]
    replica.publish(batches[0])
    replica.abort()
    with pytest.raises(Aborted):
        replica.publish(batches[1])
    assert replica.committed() == ends(batches[:1])
    assert sorted(replica.predictions()) == sorted(rows(batches[0]))
    replica.publish(batches[1])
    assert replica.committed() == ends(batches)
    assert sorted(replica.predictions()) == sorted(places(batches))


@slow
def test_published_batches_are_finished_before_their_partition_is_revoked(replica: Replica) -> None:
    batches = read_from_all(replica)
    publish(replica, batches)
    replica.delivery.serve(0.0)
    assert replica.owned == set(PARTITIONS), "partitions go in a call of the consumer"
    gone, start = replica.share()
    assert replica.owned == {*PARTITIONS} - {gone}
    assert start == replica.committed()[gone] == ends(batches)[gone], "another replica goes on behind it"
    assert unread(replica) == []
    assert sorted(replica.predictions()) == sorted(places(batches))
    assert replica.delivery.idle
    assert (replica.delivery.uncommitted, replica.delivery.dropped) == (0, 0)


def test_uncommitted_events_of_a_lost_partition_are_dropped_and_read_again(replica: Replica) -> None:
    published, *rest = replica.read(2 * FIRST)
    replica.publish(published)
    uncommitted = replica.delivery.uncommitted
    assert uncommitted == (0 if replica.transactional else len(published))
    assert replica.lose(rest[0]) is None, "not even what came back is still ours"
    assert (replica.delivery.uncommitted, replica.delivery.dropped) == (0, uncommitted)
    replica.acknowledge()
    replica.confirm()
    assert replica.committed() == ({} if uncommitted else ends([published]))
    again = replica.read(2 * EVENTS - (0 if uncommitted else len(published)))
    expected = [place for place in all_events() if uncommitted or place not in rows(published)]
    assert sorted(places(again)) == expected


def test_a_position_is_committed_once_earlier_batches_are_written(replica: Replica) -> None:
    batches = replica.read(FIRST)[:WINDOW]
    publish(replica, batches)
    beyond = ends(batches) | {0: EVENTS + 1}
    replica.delivery.advance({(replica.topic, 0): EVENTS + 1})
    if not replica.delivery.idle:
        replica.happens("confirm")
        replica.delivery.commit()
        replica.source.keep_alive(None, 0.1)
        assert replica.committed() == {}
    replica.acknowledge()
    replica.confirm()
    until(lambda: replica.committed() == beyond, lambda: replica.source.keep_alive(None, 0.05))


def test_a_refused_write_without_a_replacement_is_fatal_and_never_committed(replica: Replica) -> None:
    first, second, *_ = replica.read(3 * FIRST)
    replica.publish(first)
    replica.acknowledge()
    replica.confirm()

    def publish_and_wait() -> None:
        for _ in turns("a refusal with its reason"):
            with suppress(Aborted):  # the brokers' reason may come with the second attempt only
                replica.publish(second, large=range(len(second)))
                return replica.acknowledge()
        return None

    with pytest.raises(Fatal, match="refused"):
        publish_and_wait()
    replica.happens("confirm")
    with suppress(Fatal):
        replica.delivery.commit()
    replica.source.keep_alive(None, 0.1)
    assert replica.committed() == ends([first])
    assert sorted(replica.predictions()) == sorted(rows(first))


def test_a_batch_that_is_polled_ahead_follows_the_one_in_hand(replica: Replica) -> None:
    read: list[Records] = []
    ahead: list[Records] = []

    def turn() -> None:
        batch = replica.read(1)
        read.extend(batch)
        if (following := replica.source.poll_ahead(batch[-1])) is not None:
            ahead.append(following)
            read.append(following)

    until(lambda: bool(ahead), turn)
    assert places(read) == [place for batch in read for place in rows(batch)]
    for partition in PARTITIONS:
        offsets = [offset for number, offset in places(read) if number == partition]
        assert offsets == list(range(len(offsets))), "nothing is left out, and nothing comes twice"
    assert [replica.source.current(batch) is not None for batch in read] == [True] * len(read)


def test_what_is_in_hand_is_dropped_with_its_partition_while_the_next_batch_is_polled(replica: Replica) -> None:
    publish(replica, read_from_all(replica))
    held = replica.read(1)[-1]
    gone, _ = replica.share()
    kept = replica.source.current(held)
    assert places([kept] if kept else []) == [place for place in rows(held) if place[0] != gone]


def test_nothing_more_is_read_while_a_batch_waits_and_nothing_is_skipped(replica: Replica) -> None:
    held, *rest = replica.read(1)
    for _ in range(3):
        kept = replica.source.keep_alive(held, 0.05)
        assert rows(kept) == rows(held)
    rest += replica.read(2 * EVENTS - len(places([held, *rest])))
    read = places([held, *rest])
    assert sorted(read) == all_events()
    for partition in PARTITIONS:
        assert [place for place in read if place[0] == partition] == [(partition, each) for each in range(EVENTS)]


@pytest.mark.parametrize("frozen", ["fake-at-least-once", "real-at-least-once"], indirect=True)
def test_writes_wait_for_brokers_that_do_not_answer(frozen: Replica) -> None:
    first, second, *_ = frozen.read(2 * FIRST)
    frozen.set_available(available=False)
    frozen.publish(first)
    frozen.happens("acknowledge")
    frozen.delivery.serve(0.2)
    frozen.delivery.commit()
    assert not frozen.delivery.idle
    assert not ends_in_time(lambda: frozen.delivery.settle(0.2))
    frozen.set_available(available=True)
    frozen.acknowledge()
    frozen.confirm()
    assert sorted(frozen.predictions()) == sorted(rows(first))
    frozen.set_available(available=False)
    frozen.publish(second)
    ends_in_time(lambda: frozen.delivery.finish(0.2))
    ends_in_time(frozen.delivery.close)
    frozen.set_available(available=True)
    assert frozen.committed() == ends([first])


@pytest.mark.parametrize("frozen", ["fake-exactly-once", "real-exactly-once"], indirect=True)
def test_a_transaction_is_aborted_if_the_brokers_do_not_answer(
    frozen: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transactions, "CALL_SECONDS", 0.5)
    monkeypatch.setattr(transactions.Transactions._bounded, "__defaults__", (0.5,))
    (batch, *_) = frozen.read(FIRST)
    frozen.set_available(available=False)
    with pytest.raises(Aborted):
        ends_in_time(lambda: frozen.publish(batch))
    ends_in_time(lambda: frozen.delivery.settle(0.2))
    frozen.set_available(available=True)
    held, done = batch, list[bool]()

    def retry() -> None:
        nonlocal held
        held = frozen.source.keep_alive(held, 0.05)
        with suppress(Aborted):
            frozen.publish(held)
            done.append(True)

    until(lambda: bool(done), retry)
    assert sorted(frozen.predictions()) == sorted(rows(batch)), "each once"
    assert frozen.committed() == ends([batch])
    frozen.set_available(available=False)
    ends_in_time(frozen.delivery.close)
    frozen.set_available(available=True)


def ends_in_time(call: Callable[[], object]) -> object:
    """Return the result of a call, which takes seconds where brokers would let it wait for ever."""
    begun = time.monotonic()
    result = call()
    assert time.monotonic() - begun < 10
    return result
