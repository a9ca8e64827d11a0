"""A steady load, and the ledger of its acknowledged inputs."""

import os
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from confluent_kafka import KafkaError, Message, Producer

from tests.delivery.world import body, place
from tests.torture.checker import Place

TICK_SECONDS = 0.05
LARGEST_TICK = 60  # events of a tick at most; half as many on average
BURST = 1_000  # events of an occasional burst, which fills batches and keeps several in flight
BURST_CHANCE = 0.03
KEYS = 64
END_SECONDS = 120.0


def is_event(number: int) -> bool:
    """Whether the input of this number can be scored; the others are to be dead letters."""
    return number % 101 != 0


def content(number: int) -> bytes:
    """The value of an input, which is cut off where it is to be no event."""
    whole = body(number)
    return whole if is_event(number) else whole[:-1]


def uid_of(value: bytes) -> str:
    """The identity of an input, scored or not: the first field, a length of one byte and so many characters."""
    return value[1 : 1 + value[0] // 2].decode()


def number_of(value: bytes) -> int:
    """Return the number of the input with this value, scored or not."""
    number = int(uid_of(value).partition("-")[2])
    assert value == content(number), f"input {number} is not as it was sent"
    return number


class Ledger:
    """Lines `number partition offset` of acknowledged inputs, synced to disk before anything relies on them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("a")

    def add(self, lines: list[str]) -> None:
        """Write some lines, and wait for the disk."""
        self._file.write("".join(lines))
        self._file.flush()
        os.fsync(self._file.fileno())

    def read(self) -> dict[Place, int]:
        """Return the number of each acknowledged input by its place, from the file."""
        rows = [[int(part) for part in line.split()] for line in self.path.read_text().splitlines()]
        return {(partition, offset): number for number, partition, offset in rows}


class Load(threading.Thread):
    """Sends numbered inputs until told to finish; `held` lets the replicas catch up."""

    def __init__(self, bootstrap: str, topic: str, partitions: int, ledger: Ledger, seed: int) -> None:
        super().__init__(name="load", daemon=True)
        self._topic, self._partitions, self._ledger = topic, partitions, ledger
        self._chance = random.Random(f"load {seed}")  # noqa: S311  makes the load reproducible
        # A retry after a broker's crash must not write an input twice, since the ledger would miss one of the two.
        self._producer = Producer(
            {"bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 5, "log_level": 2}
        )
        self._acknowledged: list[str] = []
        self._held, self._ending = threading.Event(), threading.Event()
        self.sent = 0

    def run(self) -> None:
        """Send a random number of inputs each tick."""
        while not self._ending.wait(TICK_SECONDS):
            if not self._held.is_set() and len(self._producer) < BURST:
                burst = self._chance.random() < BURST_CHANCE
                self._send(BURST if burst else self._chance.randint(0, LARGEST_TICK))
            self._producer.poll(0)
            self._enter()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Pause the load during the block."""
        self._held.set()
        try:
            yield
        finally:
            self._held.clear()

    def end(self) -> None:
        """Stop sending."""
        self._ending.set()

    def finish(self) -> None:
        """Stop, and wait until the brokers have acknowledged what was sent."""
        self.end()
        self.join(END_SECONDS)
        assert self._producer.flush(END_SECONDS) == 0, "inputs are not acknowledged"
        self._enter()

    def _send(self, count: int) -> None:
        for number in range(self.sent, self.sent + count):
            self._producer.produce(
                self._topic,
                content(number),
                key=f"key-{number % KEYS}",
                partition=self._chance.randrange(self._partitions),
                on_delivery=self._delivered(number),
            )
        self.sent += count

    def _delivered(self, number: int) -> Callable[[KafkaError | None, Message], None]:
        def report(error: KafkaError | None, message: Message) -> None:
            if error is None:  # otherwise only the input topic shows whether it was written
                partition, offset = place(message)
                self._acknowledged.append(f"{number} {partition} {offset}\n")

        return report

    def _enter(self) -> None:
        lines, self._acknowledged = self._acknowledged, []
        if lines:
            self._ledger.add(lines)
