"""Replicas on a real broker, a real Redis and a real registry, with events of Confluent's own serializer."""

import json
import urllib.request
from collections.abc import Callable, Sequence
from typing import Any
from urllib.error import HTTPError

import numpy as np
import pytest
from confluent_kafka import Message
from confluent_kafka.schema_registry import Schema, SchemaReference
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from scorer.avro import SCHEMA_HEADER
from scorer.sandbox.server import free_port
from tests.delivery.conftest import MakeWorld, make_world
from tests.delivery.world import World, amount, card, headers, known, place
from tests.registry.apicurio import Apicurio, client_of

__all__ = ["make_world"]

Serialize = Callable[[int], bytes]


def payment(*more: Any, amount: Any = "double", card: Any = None, **named: Any) -> str:
    fields = [{"name": "id", "type": "string"}, {"name": "amount", "type": amount}, *more]
    fields.append({"name": "card", "type": ["null", "string"] if card is None else card} | named)
    return json.dumps({"type": "record", "name": "Payment", "fields": fields})


FIRST = payment()
# Another order, a field that is new, one that is promoted, and no null where none was written.
SECOND = payment({"name": "note", "type": ["null", "string"], "default": None}, amount="float", card=["string", "null"])
RENAMED = payment({"name": "old_card", "type": "string"}, card="int", name="other")  # no card any more
HOLDER = json.dumps({"type": "record", "name": "bank.Holder", "fields": [{"name": "name", "type": "string"}]})
THIRD = payment({"name": "holder", "type": "bank.Holder"})


def event(number: int, **more: Any) -> dict[str, Any]:
    held = card(number)
    return {"id": f"payment-{number}", "amount": amount(number), "card": None if held is None else str(held), **more}


def serializer(world: World, url: str, text: str, references: Sequence[SchemaReference] = (), **more: Any) -> Serialize:
    """Confluent's own, as a producer of Python has it: it registers the schema by itself."""
    serialize = AvroSerializer(client_of(url), Schema(text, "AVRO", list(references)))
    context = SerializationContext(world.input, MessageField.VALUE)

    def run(number: int) -> bytes:
        written = serialize(event(number, **more), context)
        assert written is not None
        return bytes(written)

    return run


def send(world: World, serialize: Serialize, numbers: Sequence[int], **write: Any) -> None:
    """Write events, and note which number each record is of."""
    before = set(world.sent)
    world.send([serialize(number) for number in numbers], **write)
    by_value = {serialize(number): number for number in numbers}
    for at in set(world.sent) - before:
        world.sent[at] = by_value[world.sent[at]]  # type: ignore[index]


def verify(world: World, url: str) -> dict[tuple[int, int], list[Message]]:
    """Check by Confluent's own deserializer that each event has its prediction, and that every score is right."""
    deserialize = AvroDeserializer(client_of(url))
    context = SerializationContext(world.output, MessageField.VALUE)
    found: dict[tuple[int, int], Any] = {}
    for message in world.read(world.output):
        prediction = deserialize(message.value(), context)
        assert isinstance(prediction, dict)
        found[prediction["source_partition"], prediction["source_offset"]] = prediction
    numbers = {at: number for at, number in world.sent.items() if isinstance(number, int)}
    assert found.keys() == numbers.keys()
    scores = dict(zip(numbers, world.scores(list(numbers.values())).tolist(), strict=True))
    for at, prediction in found.items():
        assert prediction["score"] == scores[at]
        assert prediction["event_id"] == f"payment-{numbers[at]}"
        assert prediction["missing"] == ([] if known(numbers[at]) else ["card"])
    letters: dict[tuple[int, int], list[Message]] = {}
    for message in world.read(world.dead):
        letters.setdefault(place(message), []).append(message)
    return letters


def confluent(make: MakeWorld, url: str, **settings: Any) -> World:
    chosen = {
        "registry__url": url,
        "events__framing": "confluent",
        "events__schema": None,
        "predictions__framing": "confluent",
    }
    return make(**chosen | settings)


def test_schemas_may_change_mid_stream(make_world: MakeWorld, apicurio: Apicurio) -> None:
    world = confluent(make_world, apicurio.url)
    send(world, serializer(world, apicurio.url, FIRST), range(40))
    replica = world.start()
    world.wait(40)
    # The reader's view stays the first, whatever is registered from now on.
    second = serializer(world, apicurio.url, SECOND, note="hello")
    whole = [number for number in range(40, 400) if np.float32(amount(number)) == amount(number)]
    client = client_of(apicurio.url)
    client.register_schema(f"holder-{world.input}", Schema(HOLDER, "AVRO"))
    reference = SchemaReference("bank.Holder", f"holder-{world.input}", 1)
    third = serializer(world, apicurio.url, THIRD, [reference], holder={"name": "Ada"})
    first = serializer(world, apicurio.url, FIRST)
    for turn in range(3):  # three schemas in the batches of one replica
        send(world, second, whole[turn::3])
        send(world, third, range(500 + 100 * turn, 550 + 100 * turn))
        send(world, first, range(1000 + 100 * turn, 1050 + 100 * turn))
    number = client.lookup_schema(f"{world.input}-value", Schema(FIRST, "AVRO")).schema_id
    assert number is not None
    send(
        world,
        lambda event: first(event)[5:],
        [2000, 2001],
        headers=[(SCHEMA_HEADER, b"\x00" + number.to_bytes(4, "big"))],
    )
    world.send([_text_amount(apicurio.url, world), b"\x00\x7f\xff\xff\xff\x02", b"\x02no framing"])
    world.wait(len(world.sent))
    world.wait_committed()
    assert world.stop(replica) == 0
    letters = [headers(message) for messages in verify(world, apicurio.url).values() for message in messages]
    told = {dict(each)["scorer.reason"]: dict(each)["scorer.detail"] for each in letters}
    assert len(letters) == 3
    assert {dict(each)["scorer.reason"] for each in letters} == {b"unknown-schema", b"bad-framing"}
    details = b" ".join(dict(each)["scorer.detail"] or b"" for each in letters)
    assert b"amount: string in the writer's schema, double in the reader's" in details, told
    assert b"the registry has no schema with id 2147483647" in details


def _text_amount(url: str, world: World) -> bytes:
    """An event whose amount is text, which the plan cannot use."""
    serialize = AvroSerializer(client_of(url), Schema(payment(amount="string"), "AVRO"))
    written = serialize(event(7) | {"amount": "much"}, SerializationContext(world.input, MessageField.VALUE))
    assert written is not None
    return bytes(written)


@pytest.mark.prove
def test_nothing_is_lost_while_the_registry_is_unavailable(make_world: MakeWorld, own_apicurio: Apicurio) -> None:
    port = free_port()
    world = confluent(make_world, own_apicurio.url)
    first, second = serializer(world, own_apicurio.url, FIRST), serializer(world, own_apicurio.url, SECOND, note=None)
    send(world, first, range(40))
    replica = world.start(SCORER_HTTP=json.dumps({"port": port}))
    world.wait(40)
    values = [second(number) for number in range(0, 400, 8)]  # registers it
    own_apicurio.kill()
    world.send([first(number) for number in range(100, 120)])
    world.wait(60)  # what is known needs no registry
    world.send(values)
    world.until(lambda: "registry" in ready(port), "a replica that is not ready")
    assert "cannot be reached" in ready(port)["registry"]
    assert len(world.describe()) == 1
    assert world.published() == 60
    own_apicurio.start()
    world.wait(60 + len(values), 120)
    world.until(lambda: not ready(port), "a replica that is ready again")
    world.wait_committed()
    assert world.stop(replica) == 0
    assert [headers(message) for message in world.read(world.dead)] == []
    assert sum(1 for _ in world.read(world.output)) == len(world.sent)


def ready(port: int) -> dict[str, str]:
    """What holds the replica from being ready, and why."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=5) as answer:
            said = json.load(answer)
    except HTTPError as error:
        said = json.load(error)
    return {name: said["conditions"][name] for name in said["failed"]}
