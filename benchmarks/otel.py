"""What traces cost the loop for each event: otel.md has the results.

The events are real records with a `traceparent`, read anew in each round: the client keeps headers that it has read.
"""

import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from confluent_kafka import Consumer, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks import pages
from benchmarks.outcomes import predicted
from scorer.batch import Matrix, Outcome, Records
from scorer.errors import Fatal
from scorer.kafka import Carried
from scorer.kafka.consume.records import columns
from scorer.monitor import Metrics
from scorer.otel.spans import SpanExport
from scorer.otel.traced import Traced
from scorer.otel.tracing import Rule, Tracing
from scorer.sandbox import Kafka

EVENTS, TIMES = 20_000, 5
SIZES = 500, 2_000
RULES = {
    "off": None,
    "1% of the batches": Rule(0.01),
    "1%, `carry: all`": Rule(0.01, everything=True),
    "all batches": Rule(1.0),
}
STAGES = ("consume", "decode", "keys", "look_up", "assemble", "score", "encode", "publish", "reports", "commit")
WAIT_SECONDS = 30.0


class Encoding(SpanExporter):
    """Encodes spans, and sends them nowhere."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Encode some spans."""
        encode_spans(spans).SerializeToString()
        return SpanExportResult.SUCCESS


def run(console: Console) -> int:
    """Measure, print a table, and return 0.

    Raises:
        Fatal: the broker does not deliver.
    """
    table = Table(box=box.MARKDOWN, title="us of CPU an event")
    for title in ("traced", "events in a batch", "noting", "producing", "exporting"):
        table.add_column(title, justify="right" if title != "traced" else "left", no_wrap=True)
    with tempfile.TemporaryDirectory() as folder, Kafka(Path(folder)) as kafka:
        _fill(kafka.bootstrap)
        for name, rule in RULES.items():
            for size in SIZES:
                console.print(f"{name}, batches of {size}", style="dim")
                found = [_measure(kafka.bootstrap, rule, size) for _ in range(TIMES)]
                best = [min(each) / EVENTS * 1e6 for each in zip(*found, strict=True)]
                table.add_row(name, f"{size:,}", *(f"{each:.2f}" for each in best))
    pages.output().print(table)
    return 0


def _fill(bootstrap: str) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for made in admin.create_topics([NewTopic("in", 1), NewTopic("out", 1)]).values():
        made.result()
    producer = Producer({"bootstrap.servers": bootstrap})
    for number in range(EVENTS):
        trace = b"00-%032x-%016x-01" % (number + 1, number + 1)
        producer.produce("in", b"v" * 100, b"key", 0, headers=[("other", b"x"), ("traceparent", trace)])
    if producer.flush(WAIT_SECONDS):
        raise Fatal("the broker does not acknowledge the events of the benchmark")


def _measure(bootstrap: str, rule: Rule | None, size: int) -> tuple[float, float, float]:
    """Return the CPU seconds of all events: of noting, of producing predictions, and of exporting beside the loop."""
    messages = _read(bootstrap)
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 1_000, "acks": 0})
    metrics, sent = Metrics(), list[Traced]()
    tracing = Tracing(rule, "group", metrics.stages, sent.append, lambda _: None) if rule else None
    noting = producing = 0.0
    for start in range(0, EVENTS, size):
        records, outcome = _batch(messages[start : start + size])
        began, carried = time.thread_time(), None
        for stage in STAGES:
            with metrics.stages.stage(stage):
                pass
        if tracing is not None:
            tracing.scored(outcome)
            carried = tracing.carry(records)
            tracing.iteration_ended(records)
            tracing.written(records, outcome, ())
        noted = time.thread_time()
        _produce(producer, len(records), carried)
        noting, producing = noting + noted - began, producing + time.thread_time() - noted
    producer.purge()
    producer.flush(WAIT_SECONDS)
    export = SpanExport(Encoding(), Resource.create())
    began = time.thread_time()
    for at in range(0, len(sent), 32):
        export(sent[at : at + 32])
    return noting, producing, time.thread_time() - began


def _produce(producer: Producer, rows: int, carried: Carried | None) -> None:
    produce, value = producer.produce, b"p" * 150
    if carried is None:
        for _ in range(rows):
            produce("out", value, b"key", -1, None)
    else:
        for row in range(rows):
            produce("out", value, b"key", -1, None, None, 0, [*carried[row]])


def _read(bootstrap: str) -> list[Message]:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "benchmark"})
    consumer.assign([TopicPartition("in", 0, 0)])
    messages, deadline = list[Message](), time.monotonic() + WAIT_SECONDS
    while len(messages) < EVENTS:
        messages += consumer.consume(EVENTS - len(messages), 1)
        if time.monotonic() > deadline:
            raise Fatal("the broker does not deliver the events of the benchmark")
    consumer.close()
    return messages


def _batch(messages: list[Message]) -> tuple[Records, Outcome]:
    records = replace(columns(messages, ["in"], 10**9, 0, None), keys=[b"key"] * len(messages))
    rows = len(messages)
    predictions = predicted(records, np.zeros(rows, np.float32))
    return records, Outcome(predictions, (), Matrix(np.zeros((rows, 1), np.float32), predictions.missing), ())
