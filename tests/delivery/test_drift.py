"""Drift of a real group: a broken feature is named, and every event is counted once, though a replica is killed."""

import json
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial

import numpy as np
import pytest

from scorer.cli import main
from scorer.drift import NUMBER, Board, make_baseline
from scorer.group.drifting import rules_of
from scorer.kafka import Admin, MonitorTopic, monitor_topic
from scorer.settings import Settings, load
from tests.conftest import DELIVERIES
from tests.delivery import world as worlds
from tests.delivery.conftest import MakeWorld
from tests.delivery.test_guarantees import shared_by
from tests.delivery.world import World, amount, body, card, known

CHUNK = 1_000  # events that are sent at once
WINDOW = {"events": 500, "seconds": 30.0}


def made(make_world: MakeWorld, delivery: str, *, create: bool = True) -> World:
    """Return a world with a monitor topic, and a model with a baseline of the same events."""
    world = make_world(kafka__delivery=delivery, monitor__window=WINDOW)
    settings = settings_of(world)
    numbers = range(20_000)
    spend = [float(card(number) or 0) * 3 if known(number) else np.nan for number in numbers]
    values = np.array([[amount(number) for number in numbers], spend], np.float32).T
    baseline = make_baseline({"amount": NUMBER, "spend": NUMBER}, values, world.scores(list(numbers)))
    (world.folder / "models/fraud/1/baseline.json").write_text(baseline.text())
    topic = f"{world.group}.monitor"
    file = world.folder / "scorer.yaml"
    file.write_text(file.read_text().replace("monitor:\n", f"monitor:\n  topic: {topic}\n"))
    if create:
        Admin(settings.kafka).create([monitor_topic(topic)])
    return world


def settings_of(world: World) -> Settings:
    return load(world.folder / "scorer.yaml", environ={}).settings


@contextmanager
def reader(world: World) -> Iterator[tuple[MonitorTopic, Board]]:
    settings = settings_of(world)
    board = Board(rules_of(settings.monitor))
    with closing(MonitorTopic(settings.kafka, settings.monitor.topic or "", "fraud", [board])) as topic:
        yield topic, board


def accounted(topic: MonitorTopic, board: Board) -> int:
    topic.wait(0.1)
    topic.read()
    return board.tracks.events + board.tracks.uncounted


def broken(numbers: Sequence[int], monkeypatch: pytest.MonkeyPatch) -> list[int | bytes | None]:
    """Return events whose amount is in another unit."""
    with monkeypatch.context() as patch:
        patch.setattr(worlds, "amount", lambda number: amount(number) * 1.609)
        return [body(number) for number in numbers]


@pytest.mark.parametrize("delivery", DELIVERIES)
@pytest.mark.prove
def test_a_broken_feature_is_named_and_every_event_counts_once(
    make_world: MakeWorld, delivery: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world = made(make_world, delivery)
    first, _ = world.start(), world.start()
    world.until(partial(shared_by, world, 2), "two replicas")
    with reader(world) as (topic, board):
        sent = 0

        def send(events: Sequence[int | bytes | None]) -> None:
            nonlocal sent
            world.send(events)
            sent += len(events)

        def counted() -> None:
            world.until(lambda: accounted(topic, board) == sent, "all events to be counted")

        for chunk in range(6):  # each in its own time, so that each has windows
            send(range(CHUNK * chunk, CHUNK * (chunk + 1)))
            counted()
        assert board.tracks.uncounted == 0
        assert not board.alarms
        assert len(board.windows) >= 3
        events = broken(range(sent, sent + 20 * CHUNK), monkeypatch)
        send(events[:CHUNK])
        first.kill()
        world.replicas.remove(first)
        world.start()
        chunk = 1
        while not board.alarms and chunk < 20:
            send(events[CHUNK * chunk : CHUNK * (chunk + 1)])
            counted()
            chunk += 1
        world.until(lambda: '"column drifts"' in world.log(), "a replica to say so")
        world.until(partial(shared_by, world, 2), "two replicas")
        world.wait_committed()
        assert [world.stop(replica) for replica in list(world.replicas)] == [0, 0]
        topic.read()
        assert {"amount"} <= {each.column for each in board.alarms} <= {"amount", "score"}
        assert board.tracks.rejected == 0
        ends = world.ends(world.input)
        for (_, partition), track in board.tracks.partitions.items():
            assert (track.first, track.next) == (0, ends[partition])
            assert track.events + track.uncounted == ends[partition]
    lines = map(json.loads, world.log().splitlines())
    said = {each["column"] for each in lines if each["event"] == "column drifts"}
    assert {"amount"} <= said <= {"amount", "score"}, "and not the other column"
    assert main(["drift", "-c", str(world.folder / "scorer.yaml"), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert {each["name"]: each["since"] is not None for each in shown["columns"]}["amount"]
    assert shown["counted"]["events"] + shown["counted"]["uncounted"] == sent
    assert main(["drift", "-c", str(world.folder / "scorer.yaml")]) == 0
    assert "amount" in capsys.readouterr().out.rpartition("drift: ")[2]


def test_one_replica_tells_what_it_counts_and_stops_with_nothing_untold(make_world: MakeWorld) -> None:
    world = made(make_world, "exactly-once")
    replica = world.start()
    world.send([*range(1_000), b"no event", *range(1_000, 1_500)])
    world.wait_committed()
    assert world.stop(replica) == 0
    with reader(world) as (topic, board):
        topic.read()
        assert (board.tracks.events, board.tracks.rejected, board.tracks.uncounted) == (1_500, 1, 0)
        assert board.windows
        assert not board.alarms


@pytest.mark.prove
def test_a_replica_scores_while_its_monitor_topic_is_missing_and_tells_all_of_it_later(make_world: MakeWorld) -> None:
    world = made(make_world, "at-least-once", create=False)
    replica = world.start()
    world.send(range(2_000))
    world.wait_committed()
    out_of_reach = "monitor topic unavailable"
    world.until(lambda: out_of_reach in world.log(), "a word about the topic")
    settings = settings_of(world)
    Admin(settings.kafka).create([monitor_topic(settings.monitor.topic or "")])
    with reader(world) as (topic, board):
        world.until(lambda: accounted(topic, board) == 2_000, "all events to be counted")
        assert board.tracks.uncounted == 0
    assert world.stop(replica) == 0
    assert world.log().count(out_of_reach) == 1
    world.verify()
