"""What a replica tells of itself: counts that the loop made, and nothing of an event but its id."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from scorer.batch import NO_COLUMN, Explanations, Reason, Rejected
from scorer.monitor import Health, Metrics
from scorer.page.replica import Presence
from scorer.page.site import Site
from scorer.page.telling import LONGEST_ID, Ledger, StatusSource, Who, named
from scorer.settings import Settings
from tests.rollout.group import written

WHO = Who("id-1", "replica-1", "delays", "delays")
PRIVATE = "a field of the event"


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(["plane"])


def source(metrics: Metrics, ledger: Ledger) -> StatusSource:
    health = Health(60)
    health.set("features", ok=False, detail="Redis is away")
    return StatusSource(WHO, metrics, health, ledger, clock=lambda: 1000.0)


def scored(*, recent: bool = True) -> Ledger:
    """A ledger that has seen a batch of six events, of which two became dead letters."""
    ledger = Ledger(recent=recent, clock=lambda: 1000.0)
    scores, arm = np.linspace(0.1, 0.6, 6).astype(np.float32), np.array([0, 0, 1, 1, 0, 0], np.uint8)
    rejected = [Rejected(1, Reason.BAD_VALUE, PRIVATE, "1"), Rejected(3, Reason.BAD_VALUE, PRIVATE, "2")]
    records, outcome = written(scores, arm, rejected=rejected, seconds=[0.1, 0.1])
    ids = [f"flight-{number}".encode() for number in range(5)] + [b"\xff" + b"x" * 200]
    ends = np.cumsum([len(each) for each in ids])
    predictions = replace(
        outcome.predictions,
        data=np.frombuffer(b"".join(ids), np.uint8),
        id_starts=np.concatenate([[0], ends[:-1]]),
        id_ends=ends,
        scored_at=999_000,
    )
    placed = replace(records, topics=("flights",), partition=np.full(6, 4, np.int32), offset=np.arange(70, 76))
    ledger.written(placed, replace(outcome, predictions=predictions), [Rejected(5, Reason.UNWRITABLE, PRIVATE, "1")])
    return ledger


def test_events_are_counted_by_arm_and_version() -> None:
    ledger = scored()
    assert sum(ledger.events.values()) == 4
    assert sorted(name for name, _ in ledger.events) == ["canary", "champion"]
    assert {name: count for (name, _), count in ledger.events.items()} == {"champion": 3, "canary": 1}


def test_the_newest_dead_letter_of_a_reason_has_its_place_and_version() -> None:
    letters = scored().letters
    assert {reason: (each.count, each.place, each.version) for reason, each in letters.items()} == {
        "bad-value": (2, "flights-4-73", "2"),
        "unwritable": (1, "flights-4-75", "1"),
    }


def test_the_last_predictions_are_told_where_the_page_is_on() -> None:
    assert scored(recent=False).recent == ()
    recent = scored().recent
    assert [(each.id, each.arm) for each in recent] == [
        ("flight-0", "champion"),
        ("flight-2", "canary"),
        ("flight-4", "champion"),
    ]
    assert [each.score for each in recent] == pytest.approx([0.1, 0.3, 0.5])


def test_an_id_of_any_bytes_is_cut_and_can_be_written() -> None:
    ledger = Ledger(recent=True, clock=lambda: 1000.0)
    records, outcome = written(np.array([np.nan], np.float32), np.zeros(1, np.uint8))
    data = np.frombuffer(b"\xff" + b"x" * 200, np.uint8)
    names, slots = ("delay", "distance", "hour"), np.zeros(1, np.int32)
    columns, values = np.array([[2, 0, NO_COLUMN]], np.int32), np.array([[0.75, -0.25, 0.0]])
    predictions = replace(
        outcome.predictions,
        data=data,
        id_ends=np.array([201]),
        explanations=Explanations(names, slots, columns, values, values),
    )
    ledger.written(records, replace(outcome, predictions=predictions), [])
    (told,) = ledger.recent
    assert (told.id, told.score) == ("\ufffd" + "x" * (LONGEST_ID - 1), None)
    assert told.columns == [("hour", 0.75), ("delay", -0.25)]
    json.dumps(told.model_dump(), allow_nan=False)


def test_of_several_classes_the_most_likely_one_is_told() -> None:
    ledger = Ledger(recent=True, clock=lambda: 1000.0)
    records, outcome = written(np.array([[0.1, 0.7, 0.2]], np.float32), np.zeros(1, np.uint8))
    ledger.written(records, outcome, [])
    (told,) = ledger.recent
    assert told.label == 1
    assert told.score == pytest.approx(0.7)


def test_predictions_are_taken_once_a_second_at_most() -> None:
    now = [1000.0]
    ledger = Ledger(recent=True, clock=lambda: now[0])
    found = []
    for second in (1000.0, 1000.5, 1001.1):
        now[0] = second
        records, outcome = written(np.array([second], np.float32), np.zeros(1, np.uint8))
        ledger.written(records, outcome, [])
        found.append(ledger.recent[0].score)
    assert found == [1000.0, 1000.0, pytest.approx(1001.1, abs=0.01)]


def test_the_status_has_what_the_metrics_have(metrics: Metrics) -> None:
    metrics.acknowledged(7, [Rejected(0, Reason.BAD_VALUE, PRIVATE)] * 2)
    metrics.lag("flights", 3, 42)
    metrics.models("delays", [("1", "champion", True)])
    metrics.lookups(np.array([[5, 2, 0, 0, 0]]))
    metrics.end_to_end(np.array([0.003, 0.004, 700.0]))
    metrics.rebalance("assigned")
    metrics.in_flight(2)
    told = source(metrics, scored()).status()
    assert told.outcomes == {"predicted": 7, "dead_letter": 2}
    assert told.rejected["bad-value"].count == 2
    assert told.rejected["bad-value"].place == "flights-4-73"
    assert "unwritable" not in told.rejected
    assert told.lag == [("flights", 3, 42)]
    assert ("champion", "1") in {(each.name, each.version) for each in told.arms}
    assert {name: count for name, count in told.features["plane"].items() if count} == {"hit": 5, "missing": 2}
    assert (told.latency[0], told.latency[2], told.latency[-2:]) == (0, 2, [2, 3])
    assert (told.ready, told.why) == (False, ["features: Redis is away"])
    assert (told.in_flight, told.rebalances) == (2, 1)
    assert told.memory > 1_000_000


def test_nothing_of_an_event_but_its_id_is_told(metrics: Metrics) -> None:
    metrics.acknowledged(0, [Rejected(0, Reason.BAD_VALUE, PRIVATE)])
    text = json.dumps(source(metrics, scored()).status().document())
    assert PRIVATE not in text
    assert "bad-value" in text
    assert 500 < len(text) < 3_000


def test_a_status_is_told_once_a_second_and_deleted_in_the_end(metrics: Metrics) -> None:
    tells = source(metrics, Ledger(recent=False))
    told = [len(list(tells.due(now))) for now in (10.0, 10.5, 11.0, 11.9, 12.1)]
    assert told == [1, 0, 1, 0, 1]
    assert list(tells.last()) == [("status/id-1", None)]


def test_a_replica_is_named_by_its_membership_or_by_its_process() -> None:
    assert named("replica-7") == "replica-7"
    assert named(None).partition("/")[2].isdigit()


@pytest.mark.parametrize(
    ("topic", "page", "counts", "tells"),
    [(None, False, 0, 0), ("delays.monitor", False, 1, 1), (None, True, 1, 1), ("delays.monitor", True, 1, 1)],
)
def test_without_a_topic_and_without_a_page_nothing_is_counted(
    metrics: Metrics, topic: str | None, *, page: bool, counts: int, tells: int
) -> None:
    settings = Settings.model_validate(
        {
            "kafka": {
                "bootstrap_servers": "localhost:1",
                "group_id": "delays",
                "input_topics": ["flights"],
                "output_topic": "delays",
                "dead_letter_topic": "dead",
            },
            "events": {"schema": Path("flight.avsc")},
            "model": {"path": "models/delays"},
            "monitor": {"topic": topic},
            "http": {"page": page},
        }
    )
    presence = Presence(settings, "delays", metrics, Health(60))
    assert (len(presence.observers), len(presence.tellers)) == (counts, tells)
    assert isinstance(presence.pages, Site) == page
