"""A ledger is a function of its log: however it is read, it says what one record after the other says."""

import itertools
import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scorer.labels.account import LATEST, MOST_PAIRS, Account, total
from scorer.labels.cells import Measure
from scorer.labels.figures import figures
from scorer.labels.ledger import MOST_VALUES, OTHER, Ledger, Span
from scorer.labels.slim import SEPARATOR, Slim, Slims, decode, encode
from scorer.labels.task import Task
from tests.labels.plain import Line, Plain, summary

MEASURE = Measure(Task.BINARY, probabilities=True, threshold=0.5)
NUMBERS = Measure(Task.NUMBER, probabilities=False, threshold=0.5)
SPAN = Span(window=100, horizon=250)
FIELDS = ("carrier", "origin")
SCORES = [0.0, 0.25, 0.5, 0.75]
ARMS = [b"1\0champion", b"2\0canary"]
SEGMENTS = [b"AA\0JFK", b"\0JFK", b"UA\0"]


@st.composite
def logs(draw: st.DrawFn) -> list[Line]:
    logged, lines = 1_000, []
    for _ in range(draw(st.integers(1, 25))):
        logged += draw(st.sampled_from([0, 0, 1, 7, 60, 150, 400]))
        kind = draw(
            st.sampled_from([Slim.PREDICTION, Slim.PREDICTION, Slim.LABEL, Slim.LABEL, Slim.SEGMENTS, Slim.BAD_LABEL])
        )
        event = draw(st.integers(0, 3))
        back = draw(st.sampled_from([0, 0, 3, 90, 700]))
        match kind:
            case Slim.PREDICTION:
                line = Line(
                    kind, event, logged - back, draw(st.sampled_from(SCORES)), draw(st.sampled_from(ARMS)), logged
                )
            case Slim.LABEL:
                tail = draw(st.sampled_from([b"", *SEGMENTS]))
                line = Line(kind, event, logged - back, draw(st.sampled_from([0.0, 1.0])), tail, logged)
            case Slim.SEGMENTS:
                line = Line(kind, event, 0, 0.0, draw(st.sampled_from(SEGMENTS)), logged)
            case Slim.BAD_LABEL:
                line = Line(kind, 0, logged, 0.0, draw(st.sampled_from([b"no-id\0at 3", b"truncated\0at 4"])), logged)
        lines.append(line)
    return lines


def slims(lines: list[Line]) -> Slims:
    values = [
        encode(
            line.kind, [line.event.to_bytes(8, "little")], np.array([line.time]), np.array([line.number]), [line.tail]
        )[0]
        for line in lines
    ]
    return decode(values)


def feed(ledger: Ledger, lines: list[Line], upto: int = 0) -> None:
    ledger.take(slims(lines), np.array([line.logged for line in lines], np.int64), upto)


def told(measure: Measure = MEASURE, at: int = 1_000) -> dict[str, Any]:
    """An account of one event with its label, as a record has it."""
    ledger = Ledger(0, SPAN, measure, ())
    feed(
        ledger,
        [
            Line(Slim.PREDICTION, 1, at, 0.5, ARMS[0], at),
            Line(Slim.LABEL, 1, at, 1.0, b"", at),
        ],
    )
    (account,) = ledger.accounts()
    found: dict[str, Any] = json.loads(json.dumps(account.document()))
    return found


@given(logs(), st.lists(st.integers(0, 40)))
def test_a_ledger_says_what_one_record_after_the_other_says_however_it_is_read(
    log: list[Line], cuts: list[int]
) -> None:
    ledger, told = Ledger(0, SPAN, MEASURE, FIELDS), dict[str, Account]()
    bounds = sorted({0, len(log), *(cut for cut in cuts if cut < len(log))})
    for begin, end in itertools.pairwise(bounds):
        feed(ledger, log[begin:end], end)
        told |= {account.name: account for account in ledger.accounts()}
    expected = Plain(SPAN.window, SPAN.horizon, FIELDS).take(log)
    assert {name: summary(account, SCORES) for name, account in told.items()} == expected
    assert all(Account.read(json.loads(json.dumps(account.document()))) for account in told.values())


def test_the_label_with_the_latest_time_counts_and_of_two_the_later_one() -> None:
    ledger = Ledger(0, SPAN, MEASURE, ())
    feed(ledger, [
        Line(Slim.PREDICTION, 1, 1_000, 0.5, ARMS[0], 1_000),
        Line(Slim.LABEL, 1, 20, 0.0, b"", 1_000),
        Line(Slim.LABEL, 1, 20, 1.0, b"", 1_000),
        Line(Slim.LABEL, 1, 19, 0.0, b"", 1_000),
    ])  # fmt: skip
    (account,) = ledger.accounts()
    (cell,) = account.cells.values()
    assert (cell.pairs.negatives.tolist(), cell.pairs.positives.tolist()) == ([0], [1])


@settings(max_examples=20)
@given(logs())
def test_memory_is_bounded_by_the_horizon(log: list[Line]) -> None:
    ledger = Ledger(0, SPAN, MEASURE, FIELDS)
    feed(ledger, log)
    feed(ledger, [Line(Slim.BAD_LABEL, 0, 0, 0.0, b"x\0y", log[-1].logged + 1_000_000)])
    assert ledger.events == 0


def test_the_total_of_partitions_does_not_depend_on_their_order() -> None:
    accounts: list[Account] = []
    for partition in range(3):
        ledger = Ledger(partition, SPAN, MEASURE, ())
        chance = np.random.default_rng(partition)
        feed(ledger, [
            Line(kind, event, 1_000, float(np.float32(number)), ARMS[0] if kind is Slim.PREDICTION else b"", 1_000)
            for event in range(50)
            for kind, number in ((Slim.PREDICTION, chance.random()), (Slim.LABEL, float(chance.random() < 0.5)))
        ])  # fmt: skip
        accounts += ledger.accounts()
    one, other = total(accounts), total(accounts[::-1])
    assert one is not None
    assert other is not None
    assert one.document() == other.document()
    (cell,) = one.cells.values()
    assert (cell.predictions, cell.labelled) == (150, 150)


def test_a_record_has_a_limited_number_of_scores_and_values() -> None:
    ledger, events = Ledger(0, SPAN, MEASURE, ("carrier",)), MOST_PAIRS + 1_000
    scores = np.random.default_rng(1).random(events).astype(np.float32)
    tails = [b"1" + SEPARATOR + b"champion"] * events
    ids = [event.to_bytes(8, "little") for event in range(events)]
    values = encode(Slim.PREDICTION, ids, np.full(events, 1_000), scores.astype(np.float64), tails)
    values += encode(Slim.LABEL, ids, np.full(events, 1_000), (scores > 0.3).astype(np.float64), [
        b"carrier %d" % (event % (MOST_VALUES + 50)) for event in range(events)
    ])  # fmt: skip
    ledger.take(decode(values), np.full(len(values), 1_000), 1)
    (account,) = ledger.accounts()
    assert sum(len(cell.pairs.keys) for cell in account.cells.values()) <= MOST_PAIRS
    whole = account.cells[next(key for key in account.cells if not key.field)]
    assert (whole.predictions, whole.labelled, whole.pairs.negatives.sum() + whole.pairs.positives.sum()) == (
        events,
    ) * 3
    assert whole.pairs.shift > 0
    assert len(account.cells) == 1 + MOST_VALUES + 1
    assert any(key.value == OTHER for key in account.cells)


def test_windows_from_before_the_log_begins_are_left_as_they_were_told() -> None:
    ledger = Ledger(0, SPAN, MEASURE, ())
    ledger.truncated(1_050)
    feed(ledger, [Line(Slim.PREDICTION, event, 1_000 + 60 * event, 0.5, ARMS[0], 1_200) for event in range(4)])
    assert [account.start for account in ledger.accounts()] == [1_100]


def test_what_another_version_has_told_is_passed_over() -> None:
    ledger = Ledger(0, SPAN, MEASURE, ())
    feed(ledger, [Line(Slim.PREDICTION, 1, 1_000, 0.5, ARMS[0], 1_000)])
    (account,) = ledger.accounts()
    document = account.document()
    wrong: list[object] = [{}, [], None, document | {"task": "other"}, document | {"cells": [["1"]]}]
    for broken in wrong:
        assert Account.read(broken) is None


BAD_NUMBERS = [math.nan, math.inf, -math.inf, 10**400, -1, "1", None, True, []]


@pytest.mark.parametrize("number", BAD_NUMBERS)
@pytest.mark.parametrize("name", ["partition", "start", "opened", "upto", "unmatched", "threshold"])
def test_an_account_with_a_number_that_cannot_be_is_passed_over(name: str, number: object) -> None:
    document = told()
    if (name, number) != ("threshold", -1):
        assert Account.read(document | {name: number}) is None
    assert Account.read(document | {"start": LATEST + 1}) is None


@pytest.mark.parametrize("number", BAD_NUMBERS)
@pytest.mark.parametrize("name", ["predictions", "labelled", "unusable", "moments", "outcomes", "calibration", "pairs"])
def test_sums_that_cannot_be_are_passed_over(name: str, number: object) -> None:
    document = told()
    *key, cell = document["cells"][0]
    broken: dict[str, object] = {
        "moments": dict.fromkeys(cell["moments"], number) if number != -1 else {},
        "outcomes": [[1, 1, number]],
        "calibration": [[number, 0.5, 0.5]],
        "pairs": cell["pairs"] | {"data": number},
    }
    cells = [[*key, cell | {name: broken.get(name, number)}]]
    assert Account.read(document | {"cells": cells}) is None


def test_counts_that_contradict_each_other_are_passed_over() -> None:
    document = told()
    *key, cell = document["cells"][0]
    short = cell["calibration"][1:]
    for wrong in ({"unusable": 2}, {"labelled": 2}, {"outcomes": [[0, 0, 5]]}, {"calibration": short}):
        assert Account.read(document | {"cells": [[*key, cell | wrong]]}) is None, wrong
    assert Account.read(document | {"cells": [[*key, cell]]}) is not None


def test_windows_from_before_the_model_predicted_something_else_are_left_out() -> None:
    before, after = (Account.read(told(measure, at)) for measure, at in ((MEASURE, 1_000), (NUMBERS, 2_000)))
    assert before is not None
    assert after is not None
    whole = total([before, after])
    assert whole is not None
    assert (whole.measure, whole.start) == (NUMBERS, after.start)
    for key, cell in whole.cells.items():
        assert figures(whole.measure, cell), key


@pytest.mark.parametrize("labels", [[1e308, 1e308], [1e308, -1e308], [3.5e38, 1.0]])
def test_labels_beyond_what_a_score_can_be_are_in_no_measure(labels: list[float]) -> None:
    ledger = Ledger(0, SPAN, NUMBERS, ())
    for event, label in enumerate(labels):
        feed(ledger, [Line(Slim.PREDICTION, event, 1_000, 0.5, ARMS[0], 1_000)])
        feed(ledger, [Line(Slim.LABEL, event, 1_000, label, b"", 1_000)])
    (*_, account) = ledger.accounts()
    (cell,) = account.cells.values()
    assert (cell.labelled, cell.unusable) == (2, sum(abs(label) > 3.5e37 for label in labels))
    assert all(map(math.isfinite, cell.moments.values()))
    assert Account.read(json.loads(json.dumps(account.document()))) is not None
