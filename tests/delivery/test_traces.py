"""Traces of a real replica: at a real OTLP receiver, and in the headers of the predictions on a real broker."""

import io
import json
from collections.abc import Iterator
from typing import Any, cast

import fastavro
import pytest

from tests.conftest import DELIVERIES, mainly
from tests.delivery.conftest import MakeWorld
from tests.delivery.world import PREDICTION, World, headers
from tests.otel.receiver import Receiver, attributes

TRACES = [b"00-%032x-%016x-01" % (number + 1, number + 1) for number in range(40)]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


def send_traced(world: World) -> None:
    """Send events of which every second one has a trace, and a bad record."""
    for number, trace in enumerate(TRACES):
        carried = [("other", b"x"), ("traceparent", trace)] if number % 2 else []
        world.send([number], partition=number % world.partitions, key=f"key-{number}".encode(), headers=carried)
    world.send([b"not an event"], partition=0, headers=[("traceparent", TRACES[0])])


def carried(world: World) -> dict[tuple[int, int], list[Any]]:
    """The headers of each prediction, by the place of its event."""
    found = {}
    for message in world.read(world.output):
        record = cast(
            "dict[str, int]", fastavro.schemaless_reader(io.BytesIO(message.value() or b""), PREDICTION, None)
        )
        found[record["source_partition"], record["source_offset"]] = headers(message)
    return found


def events(receiver: Receiver) -> int:
    """The number of events in the batches whose spans came."""
    told = [attributes(span.attributes) for span in receiver.batches()]
    return sum(int(str(each["messaging.batch.message_count"])) for each in told)


def outcomes(receiver: Receiver) -> dict[str, float]:
    """The records of the last export of metrics, by outcome."""
    if "scorer_records" not in receiver.metrics:
        return {}
    exported = receiver.metrics["scorer_records"].sum.data_points
    return {str(attributes(point.attributes)["outcome"]): point.as_double for point in exported}


@pytest.mark.parametrize("delivery", mainly("at-least-once"))
def test_predictions_carry_the_trace_of_their_event_and_spans_link_to_it(
    make_world: MakeWorld, receiver: Receiver, delivery: str
) -> None:
    world = make_world(
        kafka__delivery=delivery, otel__endpoint=receiver.endpoint, otel__sample=1.0, otel__metrics_seconds=1
    )
    send_traced(world)
    replica = world.start()
    world.wait_committed()
    # Before the stop, at which a replica waits for a second only.
    receiver.until(lambda: events(receiver) == len(world.sent), "spans of all events")
    receiver.until(lambda: outcomes(receiver) == {"predicted": len(TRACES), "dead_letter": 1}, "metrics")
    assert world.stop(replica) == 0
    world.verify()
    found, spans = carried(world), receiver.batches()
    ours = {f"00-{span.trace_id.hex()}-{span.span_id.hex()}-01".encode() for span in spans}
    for at, number in world.sent.items():
        if isinstance(number, int):
            ((name, value),) = found[at]
            assert name == "traceparent"
            assert value == TRACES[number] if number % 2 else value in ours
    links = {f"00-{link.trace_id.hex()}-{link.span_id.hex()}-01".encode() for span in spans for link in span.links}
    assert links == {TRACES[0], *TRACES[1::2]}
    told = [attributes(span.attributes) for span in spans]
    assert sum(int(str(each["scorer.dead_letters"])) for each in told) == 1
    for span in spans:
        stages = receiver.stages(span)
        assert span.name == f"process {world.input}"
        assert {"decode", "look_up", "score", "encode", "publish"} <= {stage.name for stage in stages}
        for stage in stages:
            assert span.start_time_unix_nano <= stage.start_time_unix_nano <= stage.end_time_unix_nano
            assert stage.end_time_unix_nano <= span.end_time_unix_nano
    for line in world.log().splitlines():
        json.loads(line)


@pytest.mark.prove
def test_a_receiver_that_is_away_delays_no_prediction(make_world: MakeWorld) -> None:
    world = make_world(otel__endpoint="http://127.0.0.1:9", otel__sample=1.0)
    world.send(range(5_000))
    replica = world.start(OTEL_EXPORTER_OTLP_TIMEOUT="1")
    world.wait_committed()
    world.until(lambda: "exports over OTLP fail; scoring continues" in world.log(), "word of the receiver")
    assert world.stop(replica) == 0
    world.verify()


@pytest.mark.prove
@pytest.mark.parametrize("delivery", DELIVERIES)
def test_no_trace_makes_a_prediction_too_large(make_world: MakeWorld, receiver: Receiver, delivery: str) -> None:
    world = make_world(kafka__delivery=delivery, otel__endpoint=receiver.endpoint, otel__sample=1.0)
    state = [("traceparent", TRACES[0]), ("tracestate", b"x" * 512)]
    world.send([0], partition=0, key=b"k", headers=state)
    world.alter(world.output, "max.message.bytes", "500")
    replica = world.start()
    world.wait_committed()
    assert world.stop(replica) == 0
    world.verify()
    assert list(carried(world).values()) == [[]]
