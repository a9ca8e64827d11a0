"""What an owner of partitions tells, and when; and what is shown of it."""

from collections import deque

import numpy as np
from prometheus_client import CollectorRegistry
from rich.console import Console

from scorer.cli.shown.labels_view import answer, show, sparkline
from scorer.kafka.consume.whole import Read
from scorer.labels.account import KIND, Account
from scorer.labels.board import Board
from scorer.labels.joining import AGAIN_SECONDS, Herald, Joiner, Outbox, QualityMetrics
from scorer.labels.ledger import Ledger, Span
from scorer.labels.slim import Slim, encode, short_id
from tests.labels.test_ledger import MEASURE

HOUR = 3_600_000
NOW = 1_700_000_000_000 // HOUR * HOUR


class Reader:
    """Hands out what a test has prepared."""

    def __init__(self) -> None:
        self.lost: set[int] = set()
        self.ours, self.ended = {0}, set[int]()
        self.reads: list[Read] = []

    @property
    def owned(self) -> frozenset[int]:
        return frozenset(self.ours)

    def read_to_end(self, partition: int) -> bool:
        return partition in self.ended

    def take(self, _records: int, _seconds: float) -> list[Read]:
        reads, self.reads = self.reads, []
        return reads


class Owner:
    """A joiner with its reader, board and clock."""

    def __init__(self) -> None:
        self.reader, self.board, self.told, self.now = Reader(), Board(), Outbox(), 0.0
        opened = lambda number: Ledger(number, Span(HOUR, 3 * HOUR), MEASURE, ())  # noqa: E731  a line is enough
        self.joiner = Joiner(self.reader, opened, self.board, self.told, lambda: self.now)

    def turn(self, *reads: Read) -> list[Account]:
        """Read, and return what is told a moment later."""
        self.reader.reads = list(reads)
        self.now += 100
        self.joiner.turn()
        told = list(self.told)
        self.told.clear()
        return told


def read(events: int, *, first: int = 0, begins: bool = True, low: int = 0, arm: bytes = b"1\0champion") -> Read:
    """Predictions with a label each: every other one is positive, and has the higher score."""
    names = [short_id(f"event-{first + number}".encode()) for number in range(events)]
    positive = np.arange(events) % 2
    times = np.full(events, NOW)
    values = encode(Slim.PREDICTION, names, times, (0.25 + 0.5 * positive).astype(np.float64), [arm] * events)
    values += encode(Slim.LABEL, names, times, positive.astype(np.float64), [b""] * events)
    upto = 2 * (first + events)
    return Read(0, begins, low, [b"short", *values], np.full(len(values) + 1, NOW), upto)


def predictions(accounts: list[Account]) -> list[int]:
    return [sum(cell.predictions for cell in account.cells.values()) for account in accounts]


def test_an_owner_that_is_behind_takes_nothing_back() -> None:
    owner = Owner()
    before = Owner()
    before.reader.ended.add(0)
    (account,) = before.turn(read(10))
    owner.board.heard(KIND, account.name, account.document(), 0.0)
    assert owner.turn(read(4)) == []
    assert predictions(owner.turn(read(10, first=4, begins=False))) == [14]


def test_a_partition_that_was_read_to_its_end_is_told() -> None:
    owner = Owner()
    owner.board.heard(KIND, "0-1-1", None, 0.0)
    owner.reader.ended.add(0)
    assert predictions(owner.turn(read(4))) == [4]
    assert owner.turn() == []


def test_a_partition_that_went_and_came_back_begins_anew() -> None:
    owner = Owner()
    owner.reader.ended.add(0)
    owner.turn(read(4))
    owner.reader.ours, owner.reader.lost = set(), {0}
    owner.turn()
    assert owner.joiner.events == 0
    owner.reader.ours = {0}
    assert predictions(owner.turn(read(6))) == [6]


def test_everything_is_told_again_after_a_while_and_to_a_new_log() -> None:
    owner = Owner()
    owner.reader.ended.add(0)
    owner.turn(read(4))
    owner.now += AGAIN_SECONDS
    assert predictions(owner.turn()) == [4]
    owner.board.began()
    assert predictions(owner.turn()) == [4]
    assert owner.turn() == []


def test_windows_from_before_a_log_that_was_cut_are_not_told() -> None:
    owner = Owner()
    owner.reader.ended.add(0)
    cut = read(4, low=7)
    assert owner.turn(Read(0, cut.begins, 7, cut.values, cut.timestamps + 1, cut.upto)) == []


def test_the_quality_of_the_group_is_told_and_shown() -> None:
    owner, registry = Owner(), CollectorRegistry()
    owner.reader.ended.add(0)
    accounts = owner.turn(read(10)) + owner.turn(read(6, first=10, begins=False, arm=b"2\0canary"))
    herald = Herald(deque(accounts), owner.board, QualityMetrics(registry), lambda: 0.0)
    told = dict(herald.due(0.0))
    assert list(told) == [f"{KIND}/{accounts[0].name}"]
    for name, document in told.items():
        herald.heard(KIND, name.partition("/")[2], document, 0.0)
    assert list(herald.due(10.0)) == []
    labels = {"metric": "auc", "version": "2", "arm": "canary"}
    assert registry.get_sample_value("scorer_quality", labels) == 1.0
    herald.began()
    assert list(herald.due(20.0)) == []
    assert registry.get_sample_value("scorer_quality", labels) is None


def test_a_report_compares_the_arms() -> None:
    owner = Owner()
    owner.reader.ended.add(0)
    owner.turn(read(10))
    (account,) = owner.turn(read(6, first=10, begins=False, arm=b"2\0canary"))
    document = answer("delays", [account])
    (difference,) = document["differences"]
    assert difference["metrics"]["auc"] == {"value": 0.0, "low": 0.0, "high": 0.0, "error": 0.0}
    assert difference["metrics"]["positives"]["low"] < 0 < difference["metrics"]["positives"]["high"]
    console = Console(width=120, record=True)
    show(document, console)
    said = console.export_text()
    assert "canary 2 minus champion 1" in said
    assert "16 of 16 predictions have a label" in said


def test_a_report_counts_what_never_got_a_label() -> None:
    owner = Owner()
    owner.reader.ended.add(0)
    unlabelled = read(4)
    half = Read(0, begins=True, low=0, values=unlabelled.values[:7], timestamps=unlabelled.timestamps[:7], upto=7)
    (waiting,) = owner.turn(half)
    late = read(1, first=9, begins=False)
    late = Read(0, begins=False, low=0, values=late.values[:2], timestamps=late.timestamps[:2] + 9 * HOUR, upto=9)
    closed = [account for account in owner.turn(late) if account.closed]
    assert [
        (each["never_labelled"], each["waiting_for_labels"]) for each in (answer("m", [waiting]), answer("m", closed))
    ] == [
        (0, 2),
        (2, 0),
    ]


def test_a_report_of_nothing_says_what_to_do() -> None:
    console = Console(width=120, record=True)
    show(answer("delays", []), console)
    assert "nobody has told the quality of delays yet" in console.export_text()


def test_a_line_of_bars_leaves_out_what_is_not_known() -> None:
    assert sparkline([0.5, float("nan"), 0.75, 1.0]) == "▁ ▅█"
    assert sparkline([0.5, 0.5]) == "▁▁"
    assert sparkline([]) == ""
