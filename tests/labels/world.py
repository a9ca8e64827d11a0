"""Predictions and labels on a real broker, replicas that join them, and the account of all by plain Python."""

import io
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, cast

import fastavro
import numpy as np
import xgboost
import yaml
from confluent_kafka import Consumer, Producer, TopicPartition

from scorer.cli import main
from scorer.kafka import MonitorTopic
from scorer.labels.account import Account
from scorer.labels.board import Board
from scorer.labels.topics import state_topic
from scorer.settings import Settings, load
from tests.kafka.ends import patiently
from tests.labels.test_reading import LABEL, WRITTEN

HOUR_MS = 3_600_000
NOW_MS = 1_800_000_000_000
WINDOWS = 6  # hours over which predictions are spread
EVENT = {
    "type": "record",
    "name": "Flight",
    "fields": [
        {"name": "flight", "type": "string"},
        {"name": "origin", "type": ["null", "string"]},
        {"name": "miles", "type": "double"},
    ],
}
WRITTEN["event"] = fastavro.parse_schema(EVENT)
PATIENCE_SECONDS = 90.0

Told = dict[tuple[int, str, str, str, str], Counter[tuple[float | None, float | None]]]


@dataclass(frozen=True)
class Sent:
    """A record: an event, its prediction or its label."""

    topic: str
    key: bytes
    value: bytes


class World:
    """The topics, the model's folder and the replicas of one test."""

    def __init__(self, bootstrap: str, folder: Path, partitions: int, *, capture: bool = False, **labels: Any) -> None:
        stem = f"labels-{random.getrandbits(48):x}"
        self.capture = f"{stem}.capture"
        self.folder, self.replicas = folder, list[subprocess.Popen[bytes]]()
        self._model()
        fields = {"label": "late", "time": "at"}
        (folder / "label.avsc").write_text(json.dumps(LABEL))
        (folder / "event.avsc").write_text(json.dumps(EVENT))
        self.document = {
            "kafka": {
                "bootstrap_servers": bootstrap,
                "group_id": stem,
                "input_topics": [f"{stem}.events"],
                "output_topic": f"{stem}.predictions",
                "dead_letter_topic": f"{stem}.dead",
            },
            "events": {"schema": "event.avsc", "id": "flight"},
            "model": {"path": "models/delays"},
            "monitor": {"topic": f"{stem}.monitor", **({"capture": {"topic": self.capture}} if capture else {})},
            "labels": {"topic": f"{stem}.arrivals", "schema": "label.avsc", "id": "flight", **fields, **labels},
            "http": {"port": 0},
        }
        self.file = folder / "scorer.yaml"
        self.file.write_text(yaml.safe_dump(self.document))
        self.settings: Settings = load(self.file, environ={}).settings
        self._partitions, self._written = partitions, 0
        self._observer = Consumer({"bootstrap.servers": bootstrap, "group.id": stem, "log_level": 2})  # it never joins
        self._producer = Producer({"bootstrap.servers": bootstrap, "log_level": 2, "linger.ms": 5})
        self.scorer("topics", "--create", "--partitions", str(partitions))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for replica in self.replicas:
            replica.kill()
            replica.wait()
        self._observer.close()

    def scorer(self, *words: str) -> str:
        """Run a command in this process; it must succeed. Return what it prints."""
        out = io.StringIO()
        with redirect_stdout(out):
            assert main([*words, "-c", str(self.file)]) == 0
        return out.getvalue()

    def start(self, **environment: str) -> subprocess.Popen[bytes]:
        """Start a replica that joins."""
        with (self.folder / "replicas.log").open("ab") as log:
            replica = subprocess.Popen(
                [sys.executable, "-m", "scorer", "labels", "run", "-c", str(self.file)],
                env=os.environ | environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.replicas.append(replica)
        return replica

    def stop(self, replica: subprocess.Popen[bytes]) -> int:
        """Stop a replica with SIGTERM, and return its exit code."""
        replica.send_signal(signal.SIGTERM)
        code = replica.wait(PATIENCE_SECONDS)
        self.replicas.remove(replica)
        return code

    def kill(self, replica: subprocess.Popen[bytes]) -> None:
        """Kill a replica with SIGKILL."""
        replica.kill()
        replica.wait()
        self.replicas.remove(replica)

    def send(self, records: list[Sent]) -> None:
        """Write records, and wait for the brokers."""
        failed = list[object]()

        def delivered(error: object, _: object) -> None:
            if error is not None:
                failed.append(error)

        for record in records:
            while True:
                try:
                    self._producer.produce(record.topic, record.value, record.key, on_delivery=delivered)
                    break
                except BufferError:
                    self._producer.poll(0.1)
        assert self._producer.flush(PATIENCE_SECONDS) == 0
        assert not failed

    def wait_for_work(self) -> None:
        """Wait until replicas have written to the state topic since the last call, while they have more to write."""
        deadline, before = time.monotonic() + PATIENCE_SECONDS, self._written
        while self._written == before:
            assert time.monotonic() < deadline, self.log()[-3000:]
            ends = [
                patiently(self._observer.get_watermark_offsets, TopicPartition(state_topic(self.settings), partition))[
                    1
                ]
                for partition in range(self._partitions)
            ]
            self._written = sum(ends)

    def log(self) -> str:
        """Return the log of all replicas."""
        return (self.folder / "replicas.log").read_text()

    def accounts(self) -> list[Account]:
        """Return what the monitor topic has."""
        board, topic = Board(), cast("str", self.settings.monitor.topic)
        with closing(MonitorTopic(self.settings.kafka, topic, "delays", [board])) as shared:
            shared.read()
        return board.accounts

    def until(self, expected: Told, unmatched: int, bad: Counter[str]) -> None:
        """Wait until the accounts are as expected."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            accounts = self.accounts()
            found = told(accounts)
            labels = sum(each.unmatched for each in accounts), Counter[str]()
            for each in accounts:
                labels[1].update({reason: some.count for reason, some in each.bad.items()})
            if (found, *labels) == (expected, unmatched, bad):
                return
            assert all(replica.poll() is None for replica in self.replicas), self.log()[-3000:]
            counts = [sum(sum(some.values()) for some in each.values()) for each in (found, expected)]
            assert time.monotonic() < deadline, f"{counts}, {labels} not {unmatched, bad}; log:\n{self.log()[-3000:]}"
            time.sleep(0.3)

    def _model(self) -> None:
        folder = self.folder / "models/delays/1"
        folder.mkdir(parents=True)
        rows = xgboost.DMatrix(np.array([[1.0], [2.0]]), label=[0, 1], feature_names=["miles"])
        xgboost.train({"objective": "binary:logistic"}, rows, 1).save_model(folder / "model.ubj")
        (folder / "plan.yaml").write_text(yaml.safe_dump({"columns": [{"name": "miles", "event": "miles"}]}))


@dataclass
class Traffic:
    """Records of some flights in a random order, with what must come out."""

    records: list[Sent]
    expected: Told
    unmatched: int
    bad: Counter[str]


def traffic(settings: Settings, flights: int, seed: int, field: str = "") -> Traffic:
    """Make predictions and labels: early, late, repeated, corrected, missing, and without a prediction.

    Args:
        settings: name the topics.
        flights: how many.
        seed: of the random numbers.
        field: the segment; the field of the event or of the label.
    """
    chance = random.Random(seed)  # noqa: S311  a test
    streams = defaultdict[str, list[Sent]](list)
    expected, unmatched, bad = defaultdict[Any, Counter[Any]](Counter), 0, Counter[str]()
    for number in range(flights):
        key = f"flight-{seed}-{number}".encode()
        for record, result in _flight(settings, chance, key.decode(), number, field):
            streams[key.decode()].append(record)
            match result:
                case (start, version, arm, value, score, label):
                    expected[start, version, arm, "", ""][score, label] += 1
                    if field:
                        expected[start, version, arm, field, value][score, label] += 1
                case "unmatched":
                    unmatched += 1
                case str():
                    bad[result] += 1
    # Records of a flight keep their order, as in the partition of their key; those of several flights mix.
    order = [name for name, some in streams.items() for _ in some]
    chance.shuffle(order)
    queues = {name: iter(some) for name, some in streams.items()}
    return Traffic([next(queues[name]) for name in order], dict(expected), unmatched, bad)


@dataclass(frozen=True)
class Flight:
    """A flight, of which records are made."""

    settings: Settings
    name: str
    version: str
    arm: str
    origin: str

    def event(self) -> Sent:
        """Return its event."""
        document = {"flight": self.name, "origin": self.origin, "miles": 1.0}
        return self._sent(self.settings.kafka.input_topics[0], "event", document)

    def prediction(self, score: float, scored_at: int) -> Sent:
        """Return a prediction."""
        document = {
            "event_id": self.name, "score": score, "model": "delays", "version": self.version, "arm": self.arm,
            "missing": [], "degraded": False, "source_topic": "t", "source_partition": 0, "source_offset": 0,
            "event_time": 1, "scored_at": scored_at, "explanation": None,
        }  # fmt: skip
        return self._sent(self.settings.kafka.output_topic, "prediction", document)

    def label(self, at: int, late: int | None) -> Sent:
        """Return a label."""
        labels, truth = self.settings.labels, None if late is None else bool(late)
        assert labels is not None
        document = {
            "flight": self.name,
            "late": truth,
            "delay": 0.0,
            "state": "landed",
            "carrier": self.origin,
            "at": at,
        }
        return self._sent(labels.topic, "label", document)

    def _sent(self, topic: str, kind: str, document: dict[str, Any]) -> Sent:
        out = io.BytesIO()
        fastavro.schemaless_writer(out, WRITTEN[kind], document)
        return Sent(topic, self.name.encode(), out.getvalue())


def _flight(
    settings: Settings, chance: random.Random, name: str, number: int, field: str
) -> Iterator[tuple[Sent, object]]:
    """Yield the records of a flight; with one of them what must come out."""
    start = NOW_MS + chance.randrange(WINDOWS) * HOUR_MS
    score = float(np.float32(chance.choice([0.1, 0.25, 0.5, chance.random()])))
    version, arm = chance.choice([("1", "champion"), ("1", "champion"), ("2", "canary")])
    flight = Flight(settings, name, version, arm, chance.choice(["EWR", "JFK", "LGA"]))
    late, kind = int(chance.random() < 0.4), number % 20
    labelled = kind not in {1, 2}
    value = flight.origin if labelled or field == "origin" else "(none)"
    result = (start, version, arm, value, score, float(late) if labelled else None)
    predicted = [(flight.prediction(score, start + 5), result)]
    true = [(flight.label(10, late), None)] if labelled else []
    more: dict[int, list[tuple[Sent, object]]] = {
        0: [(flight.label(10, late), "unmatched")],  # and no prediction
        3: [(flight.label(1, None), "no-label"), *predicted, *true],
        4: [(flight.prediction(score, start - 1), None), *predicted, *true],  # published again after a crash
        5: [*predicted, *true, (flight.label(9, 1 - late), None)],  # an older label comes late
        7: [*predicted, *true, (flight.label(11, 1 - late), None), (flight.label(12, late), None)],  # corrected twice
        8: [*predicted, *true, *true],
        9: [*true, *predicted],
        10: [(flight.label(9, 1 - late), None), *true, *predicted],
    }
    yield flight.event(), None
    yield from more.get(kind, [*predicted, *true])


def told(accounts: list[Account]) -> Told:
    """Return how many events have each score and label, by window, version, arm and segment."""
    found: Told = defaultdict(Counter)
    for account in accounts:
        for key, cell in account.cells.items():
            assert cell.pairs.shift == 0
            bits, *counts = (column.tolist() for column in cell.pairs.columns)
            scores = np.array(bits, np.int32).view(np.float32).astype(np.float64).tolist()
            for label, of_label in enumerate(counts):
                found[account.start, *key].update(
                    {(s, float(label)): n for s, n in zip(scores, of_label, strict=True) if n}
                )
            if missing := cell.predictions - cell.labelled:
                found[account.start, *key][None, None] += missing
    return dict(found)


def without_scores(expected: Told) -> Told:
    """Return the same without the scores of events that have no label, which nobody tells."""
    found: Told = {}
    for key, counts in expected.items():
        found[key] = Counter()
        for (score, label), count in counts.items():
            found[key][(score, label) if label is not None else (None, None)] += count
    return found
