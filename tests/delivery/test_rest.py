"""Predictions of requests on Kafka: those of `serve.publish`, and those of shadows. No answer waits for them."""

import io
import json
import shutil
import time
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import pytest
import yaml

from scorer.batch import Payloads
from scorer.cli import main
from scorer.kafka import SpareWriter, spare
from scorer.settings import KafkaSettings
from tests.api.example import row, write_example
from tests.conftest import MakeTopic
from tests.delivery.conftest import MakeWorld
from tests.delivery.test_capture import capturing, rows_of
from tests.delivery.world import EVENT, PREDICTION, amount, body, card, known
from tests.rest.served import Served
from tests.rest.test_equality import plain

OWN = ("source_topic", "source_partition", "source_offset", "event_time", "scored_at")
NUMBERS = range(1, 21)  # some cards are not in the store, and some events have none


def event(number: int) -> Any:
    """The event of the stream as JSON."""
    return fastavro.schemaless_reader(io.BytesIO(body(number)), EVENT, None)


def read(value: bytes | None) -> dict[str, Any]:
    found = fastavro.schemaless_reader(io.BytesIO(value or b""), PREDICTION, None)
    assert isinstance(found, dict)
    return found


def test_a_prediction_of_a_request_is_that_of_the_stream_but_for_its_source(make_world: MakeWorld) -> None:
    """Byte for byte; and a stop writes all of them, though the producer would wait for more."""
    world = make_world(serve__publish=True, kafka__properties={"linger.ms": 3_000})
    world.send(list(NUMBERS))
    replica = world.start()
    world.wait(len(NUMBERS))
    assert world.stop(replica) == 0
    of_stream = {each["event_id"]: each for each in (read(message.value()) for message in world.read(world.output))}
    with Served(world.folder / "scorer.yaml", world.folder / "serve.log") as server:
        server.until_ready()
        for number in NUMBERS[:5]:
            assert server.ask("/score", event(number)).status == 200
        answers = server.ask("/score", [*map(event, NUMBERS[5:]), {"id": "bad"}]).json
        assert "reason" in answers[-1]
        server.terminate()
        assert server.ended() == 0
    written = [message for message in world.read(world.output) if read(message.value())["source_partition"] == -1]
    assert sorted(read(each.value())["event_id"] for each in written) == sorted(of_stream)
    for message in written:
        found = read(message.value())
        assert (found["source_topic"], message.key(), message.headers()) == ("", None, None)
        expected, out = of_stream[found["event_id"]] | {name: found[name] for name in OWN}, io.BytesIO()
        fastavro.schemaless_writer(out, PREDICTION, expected)
        assert message.value() == out.getvalue()
    assert len({read(each.value())["source_offset"] for each in written}) == len(written), "each has its own source"


@pytest.mark.prove
def test_rows_of_requests_are_captured(make_world: MakeWorld) -> None:
    world, topic = capturing(make_world, 1.0, serve__publish=True)
    with Served(world.folder / "scorer.yaml", world.folder / "serve.log") as server:
        server.until_ready()
        assert server.ask("/score", list(map(event, NUMBERS))).status == 200
        server.terminate()
        assert server.ended() == 0
    rows = rows_of(world, topic)
    assert sorted(row.event_id for row in rows) == sorted(f"payment-{number}".encode() for number in NUMBERS)
    spends = {number: float(card(number) or 0) * 3 if known(number) else np.nan for number in NUMBERS}
    expected = {f"payment-{each}": np.array([amount(each), spends[each]], np.float32).tobytes() for each in NUMBERS}
    assert {row.event_id.decode(): row.row.tobytes() for row in rows} == expected


@pytest.mark.prove
def test_a_shadow_scores_requests_for_its_own_topic(make_world: MakeWorld, make_topic: MakeTopic) -> None:
    topic = make_topic("shadow", 4)
    world = make_world(predictions__shadow_topic=topic)
    models = world.folder / "models/fraud"
    shutil.copytree(models / "1", models / "2")
    (models / "rollout.yaml").write_text(yaml.safe_dump({"champion": "1", "shadows": [{"version": "2", "sample": 1}]}))
    with Served(world.folder / "scorer.yaml", world.folder / "serve.log") as server:
        server.until_ready()
        answers = server.ask("/score", list(map(event, NUMBERS))).json
        assert {each["version"] for each in answers} == {"1"}
        world.until(lambda: sum(world.ends(topic).values()) == len(NUMBERS), "predictions of the shadow")
    found = {each["event_id"]: each for each in (read(message.value()) for message in world.read(topic))}
    assert {(each["version"], each["arm"]) for each in found.values()} == {("2", "shadow")}
    assert {name: each["score"] for name, each in found.items()} == {
        each["event_id"]: each["score"] for each in answers
    }
    assert sum(world.ends(world.output).values()) == 0, "serve.publish is off"


def test_brokers_that_are_away_stop_no_answer(tmp_path: Path) -> None:
    config = write_example(tmp_path, None)
    document = yaml.safe_load(config.read_text())
    changed = {"serve": {"publish": True}, "shutdown": {"deadline_s": 1.0}, "features": {"url": "redis://localhost:9"}}
    config.write_text(yaml.safe_dump(document | changed))
    complete = plain(row()) | {"features": {"shop": None, "day": None}}
    with Served(config, tmp_path / "log") as server:
        for _ in range(3):
            assert server.ask("/score", complete).status == 200
        server.terminate()
        began = time.monotonic()
        assert server.ended() == 0
        assert time.monotonic() - began < 60, "it waits for the brokers"
        assert "predictions are dropped" in server.log.read_text()


def test_what_does_not_fit_into_the_buffer_is_dropped_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spare, "MOST_RECORDS", 5)
    counts = dict.fromkeys(("written", "dropped"), 0)

    def count(result: str, records: int) -> None:
        counts[result] += records

    kafka = KafkaSettings(
        bootstrap_servers="localhost:9",
        group_id="g",
        input_topics=("in",),
        output_topic="out",
        dead_letter_topic="dead",
    )
    writer = SpareWriter(kafka, "out", count, safely=True)
    eight = np.arange(8)
    writer.write(Payloads(eight, b"x" * 8, eight + 1), [])
    assert counts == {"written": 0, "dropped": 3}
    writer.close(0.0)
    assert counts == {"written": 0, "dropped": 8}


@pytest.mark.parametrize(
    ("left_out", "told"), [("kafka", "expected a group kafka, which serve.publish"), ("id", "expected events.id")]
)
def test_publishing_needs_brokers_and_an_id(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], left_out: str, told: str
) -> None:
    document = yaml.safe_load(write_example(tmp_path, "redis://localhost:9").read_text())
    document.pop(left_out, None)
    document["events"].pop(left_out, None)
    config = tmp_path / "wrong.yaml"
    config.write_text(json.dumps(document | {"serve": {"publish": True}}))
    for command in (["check", "--offline"], ["serve"]):
        assert main([*command, "-c", str(config)]) == 2
        assert told in capsys.readouterr().err
