"""The figures of a group are those of its replicas together."""

from bisect import bisect_left
from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scorer.monitor.metrics import END_TO_END_SECONDS
from scorer.page.board import FORGOTTEN_SECONDS, GONE_SECONDS, LATENCY_SECONDS, Board, quantile
from scorer.page.status import Status, read_status
from scorer.page.view import Document, Known, Offsets, PartitionOffsets, point, view
from tests.page.scene import BEGAN, GROUP, MODEL, status

NOW = BEGAN + 100
KNOWN = Known(GROUP, MODEL)


def told(*statuses: Status, at: float | None = None) -> Board:
    """A board that has heard them as they came, or all at one time."""
    board = Board(GROUP)
    for each in sorted(statuses, key=lambda status: status.time):
        board.heard(each.replica, each, each.time if at is None else at)
    return board


def shown(board: Board, now: float = NOW, known: Known = KNOWN) -> Document:
    return view(board, known, now)


def cumulative(seconds: list[float]) -> list[int]:
    counts = [0] * (len(END_TO_END_SECONDS) + 1)
    for each in seconds:
        counts[bisect_left(END_TO_END_SECONDS, each)] += 1
    return list(accumulate(counts))


def test_rates_of_replicas_add_up() -> None:
    board = told(*(status(name, second) for name in "ab" for second in range(90, 101)))
    assert shown(board)["rates"] == {"events": 2000.0, "predictions": 1998.0, "dead_letters": 2.0}
    assert [each["events"] for each in shown(board)["replicas"]] == [1000.0, 1000.0]
    assert shown(board)["totals"] == {"predicted": 2 * 99_900, "dead_letter": 200}


def test_a_rate_is_that_of_the_last_seconds() -> None:
    slow = [status("a", 50 + second / 10).model_copy(update={"time": BEGAN + 50 + second}) for second in range(51)]
    assert shown(told(*slow))["rates"]["events"] == pytest.approx(100)


def test_one_record_gives_no_rate() -> None:
    document = shown(told(status("a", 100)))
    assert document["rates"]["events"] == 0
    assert document["latency"] == {"p50": None, "p90": None, "p99": None}


@given(
    st.lists(st.lists(st.floats(0.0005, 500), min_size=1, max_size=50), min_size=1, max_size=4),
    st.sampled_from([0.5, 0.9, 0.99]),
)
def test_percentiles_of_the_group_are_in_the_bucket_of_the_true_ones(rows: list[list[float]], share: float) -> None:
    board = Board(GROUP)
    before = cumulative([0.003] * 7)
    for number, row in enumerate(rows):
        after = [old + new for old, new in zip(before, cumulative(row), strict=True)]
        for second, counts in ((1, before), (20, after)):
            board.heard(str(number), status(str(number), second, latency=counts), BEGAN + second)
    found = view(board, KNOWN, BEGAN + 20)["latency"][f"p{100 * share:.0f}"]
    true = float(np.quantile(np.concatenate(rows), share, method="inverted_cdf"))
    bounds = [0.0, *END_TO_END_SECONDS]
    at = bisect_left(END_TO_END_SECONDS, true)
    assert bounds[at] - 1e-5 <= found <= bounds[min(at + 1, len(bounds) - 1)] + 1e-5


def test_a_quantile_lies_on_a_line_within_its_bucket() -> None:
    counts = [0, 100, *[100] * (len(END_TO_END_SECONDS) - 1)]
    assert quantile(counts, 0.5) == pytest.approx(0.0015)
    assert quantile(counts, 1.0) == pytest.approx(0.002)
    assert quantile([0] * len(counts), 0.5) is None


def test_a_replica_that_falls_silent_is_gone_and_forgotten_in_the_end() -> None:
    board = told(*(status(name, second) for name in "ab" for second in range(90, 101)))
    later = NOW + GONE_SECONDS + 0.1
    board.heard("b", status("b", later - BEGAN), later)
    document = shown(board, later)
    assert [each["state"] for each in document["replicas"]] == ["gone", "running"]
    assert document["replicas"][0]["why"] == "silent for 5 s: killed, or cut off"
    assert document["health"] == {"state": "warn", "words": "1 replica is gone"}
    assert document["replicas"][0]["lag"] is None
    board.forget(NOW + FORGOTTEN_SECONDS + 1)
    assert [each["name"] for each in shown(board, later)["replicas"]] == ["b"]


def test_a_replica_that_was_killed_and_started_again_is_replaced() -> None:
    board = told(status("a", 100), status("b", 100))
    later = NOW + GONE_SECONDS + 0.1
    for replica, name, started in (("new", "a", NOW + 1), ("b", "b", BEGAN)):
        told_by = status(replica, later - BEGAN).model_copy(update={"name": name, "started": started})
        board.heard(replica, told_by, later)
    document = shown(board, later)
    assert [(each["name"], each["state"]) for each in document["replicas"]] == [
        ("a", "replaced"),
        ("a", "running"),
        ("b", "running"),
    ]
    assert document["health"] == {"state": "ok", "words": "2 replicas ready, keeping up"}


def test_a_replica_that_leaves_is_shown_no_longer() -> None:
    board = told(status("a", 100), status("b", 100))
    board.heard("a", None, NOW)
    board.heard("never heard of", None, NOW)
    assert [each["name"] for each in shown(board)["replicas"]] == ["b"]


def test_only_replicas_of_the_group_are_shown() -> None:
    assert shown(told(status("a", 100, group="another")))["replicas"] == []


def test_a_replica_that_is_not_ready_says_why() -> None:
    board = told(status("a", 100), status("b", 100, ready=False, why=["features: Redis is away"]))
    assert [(each["state"], each["why"]) for each in shown(board)["replicas"]] == [
        ("running", ""),
        ("waiting", "features: Redis is away"),
    ]
    assert shown(board)["health"] == {"state": "warn", "words": "1 replica not ready"}


def test_arms_have_their_share_of_the_traffic_of_now() -> None:
    board = told(*(status(name, second) for name in "ab" for second in range(90, 101)))
    assert [(each["name"], each["version"], each["share"], each["events"]) for each in shown(board)["arms"]] == [
        ("champion", "1", 0.9, 180_000),
        ("canary", "2", 0.1, 20_000),
    ]


def test_a_partition_has_the_lag_of_its_owner_and_otherwise_that_of_the_group() -> None:
    offsets = Offsets("stable", [PartitionOffsets("flights", 1, 1_000, "a"), PartitionOffsets("flights", 2, 99)])
    document = shown(told(status("a", 100)), known=Known(GROUP, MODEL, offsets=offsets))
    assert [(each["partition"], each["lag"], each["replica"]) for each in document["partitions"]] == [
        (0, 12, "a"),
        (1, 34, "a"),
        (2, 99, ""),
    ]
    assert document["lag"] == 145


def test_partitions_of_a_replica_that_is_gone_are_read_by_nobody() -> None:
    later = NOW + GONE_SECONDS + 0.1
    board = told(status("a", 100), status("b", 100, lag=[("flights", 5, 3)]))
    board.heard("b", status("b", later - BEGAN, lag=[("flights", 1, 3), ("flights", 5, 3)]), later)
    document = shown(board, later)
    assert [(each["partition"], each["lag"], each["replica"]) for each in document["partitions"]] == [
        (0, 12, ""),
        (1, 3, "b"),
        (5, 3, "b"),
    ]


def test_a_group_that_is_behind_says_so() -> None:
    statuses = [status("a", second, lag=[("flights", 0, 600_000)]) for second in range(90, 101)]
    assert shown(told(*statuses))["health"] == {"state": "warn", "words": "Behind by 10 min of work"}
    for each in range(2):
        assert shown(told(status("a", 100)))["health"]["state"] == "ok", each


def test_without_replicas_the_offsets_speak() -> None:
    offsets = Offsets("stable", [PartitionOffsets("flights", 0, 5, "a"), PartitionOffsets("flights", 1, 6, "b")], 12.34)
    document = shown(Board(GROUP), known=Known(GROUP, MODEL, offsets=offsets))
    assert (document["lag"], document["rates"]) == (11, {"events": 12.3})
    assert document["health"] == {"state": "ok", "words": "2 replicas in the group, which is stable"}
    empty = Offsets("empty", [PartitionOffsets("flights", 0, 5)])
    document = shown(Board(GROUP), known=Known(GROUP, MODEL, offsets=empty))
    assert document["health"] == {"state": "bad", "words": "No replica is in the group, 5 events are waiting"}


def test_dead_letters_add_up_with_the_newest_example() -> None:
    old, new = (status(name, 100) for name in "ab")
    newer = {"bad-value": new.rejected["bad-value"].model_copy(update={"at": NOW + 1, "place": "flights-0-9"})}
    document = shown(told(old, new.model_copy(update={"rejected": newer})))
    assert [(each["reason"], each["count"], each["place"]) for each in document["dead_letters"]] == [
        ("bad-value", 200, "flights-0-9")
    ]


def test_a_point_of_the_series_agrees_with_the_document() -> None:
    board = told(*(status(name, second) for name in "ab" for second in range(90, 101)))
    document = shown(board)
    assert point(board, KNOWN, NOW) == [
        NOW,
        document["rates"]["events"],
        document["latency"]["p50"],
        document["latency"]["p99"],
        document["lag"],
    ]


def test_old_records_of_a_replica_are_dropped_but_for_one_to_compare_with() -> None:
    board = told(*(status("a", second) for second in range(1, 101)))
    ((_, kept),) = board.all()
    assert kept.records[0][0] == NOW - LATENCY_SECONDS


def test_a_status_comes_back_as_it_was_told_and_stays_small() -> None:
    given = status("a", 100, lag=[("flights", each, 7) for each in range(20)])
    document = given.document()
    assert read_status(document) == given
    assert len(str(document)) < 3_000


@pytest.mark.parametrize("document", [None, [], {"form": 2}, {"form": 1, "replica": "a"}, "status", 7])
def test_a_record_of_another_form_is_none(document: object) -> None:
    assert read_status(document) is None


@pytest.mark.parametrize("number", [10**400, 2**60, float("inf"), float("nan")])
@pytest.mark.parametrize("name", ["pid", "time", "memory", "cpu", "in_flight", "outcomes", "lag", "latency", "stages"])
def test_a_status_with_a_number_that_cannot_be_added_is_none(name: str, number: float) -> None:
    document = status("a", 100).document()
    broken: dict[str, object] = {
        "outcomes": {"predicted": number},
        "lag": [["flights", 0, number]],
        "latency": [number, *document["latency"][1:]],
        "stages": {"score": [1, number]},
    }
    assert read_status(document | {name: broken.get(name, number)}) is None


def test_what_later_versions_add_is_passed_over() -> None:
    given = status("a", 100)
    assert read_status({**given.document(), "new": {"things": 1}}) == given
