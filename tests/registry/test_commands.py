"""The commands with a registry: each speaks the framing, and says what the registry's versions mean."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.cimpl import NewTopic
from confluent_kafka.schema_registry import Schema
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from scorer.avro import PREDICTION_TEXT
from scorer.cli import main
from tests.delivery.conftest import MakeWorld, make_world
from tests.delivery.world import World
from tests.kafka.ends import wait_for_leaders
from tests.registry.apicurio import Apicurio, client_of
from tests.registry.test_stream import FIRST, SECOND, confluent, event, payment, send, serializer

__all__ = ["make_world"]

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def world(make_world: MakeWorld, apicurio: Apicurio) -> World:
    return confluent(make_world, apicurio.url)


@pytest.fixture
def run(world: World, capsys: pytest.CaptureFixture[str]) -> Run:
    def command(*words: str) -> tuple[int, str, str]:
        code = main([*words, "-c", str(world.folder / "scorer.yaml")])
        said = capsys.readouterr()
        return code, said.out, said.err

    return command


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_produce_registers_the_schema_of_a_file_and_tail_reads_it_back(
    world: World, run: Run, apicurio: Apicurio
) -> None:
    events = [event(number) for number in range(1, 6)]
    file = world.folder / "events.jsonl"
    file.write_text("".join(json.dumps(each) + "\n" for each in events))
    code, _, said = run("produce", "--input", str(file), "--set", f"events.schema={world.folder}/event.avsc")
    assert code == 0, said
    deserialize = AvroDeserializer(client_of(apicurio.url))
    context = SerializationContext(world.input, MessageField.VALUE)
    written = [deserialize(message.value(), context) for message in world.read(world.input)]
    assert sorted(written, key=str) == sorted(events, key=str)
    # A second schema, which the reader's view of a file still reads.
    send(world, serializer(world, apicurio.url, SECOND, note="hello"), [5])
    code, out, _ = run(
        "tail",
        "events",
        "--from",
        "beginning",
        "-n",
        "6",
        "--json",
        "--set",
        f"events.schema={world.folder}/event.avsc",
    )
    assert code == 0
    assert sorted(lines(out), key=str) == sorted([*events, event(5)], key=str)


def test_labels_load_registers_the_schema_of_labels(world: World, run: Run, apicurio: Apicurio) -> None:
    topic = f"{world.input}.labels"
    world.admin.create_topics([NewTopic(topic, world.partitions)])[topic].result()
    wait_for_leaders(world.bootstrap, topic, world.partitions)
    labels = [event(number) for number in range(1, 6)]
    file = world.folder / "labels.jsonl"
    file.write_text("".join(json.dumps(each) + "\n" for each in labels))
    group = {"topic": topic, "schema": "event.avsc", "framing": "confluent", "id": "id", "label": "amount"}
    for _ in range(2):  # the schema is registered once
        code, _, said = run("labels", "load", "--input", str(file), "--set", f"labels={json.dumps(group)}")
        assert code == 0, said
    client = client_of(apicurio.url)
    assert client.get_versions(f"{topic}-value") == [1]
    deserialize, context = AvroDeserializer(client), SerializationContext(topic, MessageField.VALUE)
    written = [(message.key(), deserialize(message.value(), context)) for message in world.read(topic)]
    expected = [(str(each["id"]).encode(), each) for each in labels] * 2
    assert sorted(written, key=str) == sorted(expected, key=str)


def test_a_dead_letter_is_shown_by_the_schema_that_wrote_it(world: World, run: Run, apicurio: Apicurio) -> None:
    send(world, serializer(world, apicurio.url, FIRST), range(3))
    replica = world.start()
    world.wait(3)
    made = AvroSerializer(client_of(apicurio.url), Schema(payment(amount="boolean"), "AVRO"))
    body = made(event(1) | {"amount": True}, SerializationContext(world.input, MessageField.VALUE))
    world.send([body])
    world.wait(4)
    assert world.stop(replica) == 0
    code, out, _ = run("dead-letters", "show", "--json")
    assert code == 0
    (letter,) = lines(out)
    assert letter["reason"] == "unknown-schema"
    assert "amount: boolean in the writer's schema, double in the reader's" in letter["detail"]
    code, out, _ = run("tail", "predictions", "--from", "beginning", "-n", "3", "--json")
    assert code == 0
    assert {each["event_id"] for each in lines(out)} == {f"payment-{number}" for number in range(3)}


def test_schemas_and_check_show_the_fields_of_each_version(world: World, run: Run, apicurio: Apicurio) -> None:
    client, subject = client_of(apicurio.url), f"{world.input}-value"
    client.register_schema(subject, Schema(payment(amount="string"), "AVRO"))
    client.register_schema(subject, Schema(SECOND, "AVRO"))
    client.register_schema(subject, Schema(FIRST, "AVRO"))
    code, out, said = run("schemas", "--json")
    assert code == 0, said
    found = json.loads(out)
    assert [(each["version"], each["reader"]) for each in found] == [(1, False), (2, False), (3, True)]
    by_field = [{each["field"]: each for each in version["fields"]} for version in found]
    assert set(by_field[0]) == {"id", "amount", "card"}
    assert "string in the writer's schema" in by_field[0]["amount"]["problem"]
    assert (by_field[1]["amount"]["kind"], by_field[1]["amount"]["problem"]) == ("float", "")
    code, out, _ = run("schemas")
    assert code == 0
    assert "3 (reader)" in out
    code, _, said = run("check")
    said = " ".join(said.split())
    assert f"events of {subject} version 1 (id" in said
    assert f"the compatibility of {subject} is NONE: a producer may remove or widen amount" in said
    assert code == 0, said


def test_a_prediction_schema_that_the_subject_forbids_is_refused(world: World, run: Run, apicurio: Apicurio) -> None:
    client, subject = client_of(apicurio.url), f"{world.output}-value"
    client.register_schema(f"{world.input}-value", Schema(FIRST, "AVRO"))
    other = json.loads(PREDICTION_TEXT)
    other["fields"] = [{"name": "event_id", "type": "int"}]
    client.register_schema(subject, Schema(json.dumps(other), "AVRO"))
    client.set_compatibility(subject, "FULL")
    code, _, said = run("run")
    assert code == 2
    assert f"the registry refuses the schema under {subject}: " in " ".join(said.split())
    code, _, said = run("check")
    assert code == 2
    assert f"the compatibility of {subject} does not allow the prediction's schema" in " ".join(said.split())
    code, _, said = run("run", "--set", "predictions.register=false")
    assert code == 2
    assert "the registry does not have the prediction's schema" in " ".join(said.split())


def test_a_missing_subject_is_reported(world: World, run: Run) -> None:
    code, _, said = run("check")
    assert code == 2
    assert f"the registry has no subject {world.input}-value" in " ".join(said.split())


def test_events_of_a_file_are_scored_without_kafka(world: World, run: Run, apicurio: Apicurio, tmp_path: Path) -> None:
    client = client_of(apicurio.url)
    client.register_schema(f"{world.input}-value", Schema(FIRST, "AVRO"))
    file = tmp_path / "events.jsonl"
    file.write_text("".join(json.dumps(event(number)) + "\n" for number in range(5)))
    code, out, said = run("score", "--input", str(file))
    assert code == 0, said
    assert [each["score"] for each in lines(out)] == world.scores(list(range(5))).tolist()
