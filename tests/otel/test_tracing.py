"""Which batches are traced, what is noted of them, and what their predictions carry."""

import re
from typing import Any

import pytest

from scorer.batch import Outcome, Records
from scorer.monitor import Metrics
from scorer.otel.traced import MOST_LINKS, Traced
from scorer.otel.tracing import MOST_LAPS, MOST_PENDING, Rule, Tracing
from tests.otel.batches import TRACEPARENT, batch

STATE = ("tracestate", b"vendor=1")
OURS = re.compile(rb"00-[0-9a-f]{32}-[0-9a-f]{16}-01")


class Loop:
    """A loop that is traced."""

    def __init__(self, sample: float = 1.0, *, everything: bool = False, draws: Any = None) -> None:
        self.metrics = Metrics()
        self.sent: list[Traced] = []
        self.dropped = 0
        chosen = {} if draws is None else {"draw": iter(draws).__next__}
        self.tracing = Tracing(
            Rule(sample, everything=everything), "delays", self.metrics.stages, self.sent.append, self._drop, **chosen
        )

    def _drop(self, spans: int) -> None:
        self.dropped += spans

    def stage(self, *names: str) -> None:
        for name in names:
            with self.metrics.stages.stage(name):
                pass

    def publish(self, records: Records, outcome: Outcome, *stages: str) -> Any:
        """Take a batch through its iteration, and return what its predictions carry."""
        self.stage(*stages)
        self.tracing.scored(outcome)
        carried = self.tracing.carry(records)
        self.tracing.iteration_ended(records)
        return carried


def test_a_batch_that_is_drawn_is_sent_once_it_is_written() -> None:
    loop = Loop()
    records, outcome = batch([("traceparent", TRACEPARENT)], [], rejected=1)
    loop.publish(records, outcome, "consume", "decode", "score", "encode")
    assert loop.sent == []
    loop.tracing.written(records, outcome, outcome.rejected)  # as many more could not be written
    (traced,) = loop.sent
    assert [stage for stage, _, _ in traced.laps] == ["consume", "decode", "score", "encode"]
    assert traced.written >= traced.ended >= traced.laps[-1][2]
    assert traced.rejected == 2
    assert traced.links == [TRACEPARENT.decode()]
    assert traced.attributes == {
        "messaging.system": "kafka",
        "messaging.operation.type": "process",
        "messaging.operation.name": "process",
        "messaging.consumer.group.name": "delays",
        "messaging.batch.message_count": 2,
        "messaging.destination.name": "flights",
        "messaging.destination.partition.id": "0",
        "scorer.model": "delays",
        "scorer.versions": ["7", "8"],
    }
    loop.tracing.written(records, outcome, ())
    assert len(loop.sent) == 1


def test_a_batch_that_is_written_within_its_iteration_is_sent_at_the_end_of_it() -> None:
    loop = Loop()
    records, outcome = batch([])
    loop.tracing.scored(outcome)
    loop.tracing.carry(records)
    loop.tracing.written(records, outcome, ())
    assert loop.sent == []
    loop.stage("publish")
    loop.tracing.iteration_ended(records)
    (traced,) = loop.sent
    assert [stage for stage, _, _ in traced.laps] == ["publish"]
    assert 0 < traced.written < traced.ended


def test_a_batch_of_another_outcome_is_not_taken_for_written() -> None:
    loop = Loop()
    records, outcome = batch([])
    loop.publish(records, outcome)
    loop.tracing.written(records, batch([])[1], ())
    assert loop.sent == []


def test_what_is_not_drawn_is_neither_recorded_nor_sent_and_carries_nothing() -> None:
    loop = Loop(0.5, draws=[0.5, 0.4, 0.9, 0.9])
    first, second, third = (batch([("traceparent", TRACEPARENT)]) for _ in range(3))
    assert loop.publish(*first, "decode") is None
    assert loop.metrics.stages.stage("decode").laps is not None  # of the second batch
    assert loop.publish(*second, "score") is not None
    assert loop.metrics.stages.stage("decode").laps is None
    assert loop.publish(*third, "decode") is None
    for each in (first, second, third):
        loop.tracing.written(*each, ())
    (traced,) = loop.sent
    assert [stage for stage, _, _ in traced.laps] == ["score"]


@pytest.mark.parametrize("sample", [0.0, 0.25, 1.0])
def test_the_share_of_the_batches_is_drawn(sample: float) -> None:
    loop, each = Loop(sample), batch([])
    for _ in range(2_000):
        loop.publish(*each)
        loop.tracing.written(*each, ())
    assert abs(len(loop.sent) / 2_000 - sample) < 0.06


def test_predictions_of_a_traced_batch_carry_their_events_trace_or_begin_one() -> None:
    loop = Loop()
    broken = ("traceparent", b"anything")
    records, outcome = batch(
        [("a", b"1"), ("traceparent", TRACEPARENT), STATE],
        [("a", b"1")],
        [],
        [broken],
        [STATE],
        [("traceparent", None)],
    )
    carried = loop.publish(records, outcome)
    loop.tracing.written(records, outcome, ())
    (traced,) = loop.sent
    ours = (("traceparent", traced.parent),)
    assert OURS.fullmatch(traced.parent)
    assert carried == [(("traceparent", TRACEPARENT), STATE), ours, ours, (broken,), ours, ours]
    assert traced.trace_id == int(traced.parent[3:35], 16)
    assert traced.span_id == int(traced.parent[36:52], 16)


def test_too_long_a_header_is_not_carried_on() -> None:
    loop = Loop()
    long = ("tracestate", b"x" * 513)
    assert loop.publish(*batch([("traceparent", TRACEPARENT), long])) == [(("traceparent", TRACEPARENT),)]


def test_one_header_of_each_name_is_carried_on() -> None:
    loop = Loop()
    many = [("traceparent", b"00-%032x-%016x-01" % (number, number)) for number in range(1, 1_000)]
    assert loop.publish(*batch([STATE, *many, STATE])) == [(STATE, many[-1])]


def test_with_everything_other_predictions_carry_the_trace_of_their_event_and_begin_none() -> None:
    loop = Loop(0.0, everything=True)
    carried = loop.publish(*batch([("a", b"1"), ("traceparent", TRACEPARENT)], [("a", b"1")]))
    assert carried == [(("traceparent", TRACEPARENT),), ()]


def test_a_batch_that_is_scored_again_is_sent_with_its_last_outcome_alone() -> None:
    loop = Loop()
    records, first = batch([], [])
    loop.tracing.scored(first)
    loop.tracing.carry(records)
    less, second = batch([])
    loop.publish(less, second)
    loop.tracing.written(records, first, ())
    assert loop.sent == []
    loop.tracing.written(less, second, ())
    assert [each.attributes["messaging.batch.message_count"] for each in loop.sent] == [1]


def test_a_batch_that_was_scored_and_never_published_is_forgotten() -> None:
    loop = Loop()
    records, outcome = batch([])
    loop.tracing.scored(outcome)
    loop.tracing.iteration_ended(records)
    loop.tracing.written(records, outcome, ())
    assert loop.sent == []
    assert loop.tracing.carry(records) is None


def test_batches_that_are_never_written_are_dropped_and_counted() -> None:
    loop = Loop()
    for _ in range(MOST_PENDING + 3):
        loop.publish(*batch([]), "decode", "score")
    assert loop.dropped == 3 * 3
    assert loop.sent == []


def test_idle_iterations_leave_nothing_and_a_long_one_has_a_bound() -> None:
    loop = Loop()
    loop.stage("consume")
    loop.tracing.iteration_ended(None)
    records, outcome = batch([])
    loop.publish(records, outcome, *(["look_up"] * (MOST_LAPS + 50)))
    loop.tracing.written(records, outcome, ())
    assert [stage for stage, _, _ in loop.sent[0].laps] == ["look_up"] * MOST_LAPS


def test_links_are_distinct_and_at_most_as_many_as_a_span_may_have() -> None:
    loop = Loop()
    each = [[("traceparent", b"00-%032x-%016x-01" % (number // 2 + 1, 1))] for number in range(3 * MOST_LINKS)]
    records, outcome = batch(*each)
    loop.publish(records, outcome)
    loop.tracing.written(records, outcome, ())
    links = loop.sent[0].links
    assert len({*links}) == len(links) == MOST_LINKS


def test_stages_of_the_next_batch_are_told_apart() -> None:
    laps = ["consume", "decode", "keys", "look_up", "consume", "decode", "keys", "look_up", "assemble", "decode"]
    traced = Traced(1, 1, {}, laps=[(stage, 1.0, 2.0) for stage in laps], ended=3.0, written=4.0)
    told = [(stage, ahead) for (stage, _, _), ahead in traced.stages()]
    assert [stage for stage, ahead in told if ahead] == ["consume", "decode", "keys"]
    assert told[4:7] == [("consume", True), ("decode", True), ("keys", True)]
    assert told[-1] == ("acknowledge", False)
    assert traced.spans == len(told) + 1
