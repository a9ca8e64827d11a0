"""`scorer labels run`: a replica that joins labels with predictions, until SIGTERM or Ctrl-C.

The first half reads predictions, labels and events, and writes slim records of them to the state topic, keyed by event;
a batch and its offsets are one transaction. The second half reads that topic, on its own thread.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial

import structlog

from scorer.errors import Fatal, Unavailable
from scorer.group.telling import Telling
from scorer.kafka import Admin, DeadLetters, ExactlyOnce, MonitorTopic, Source, Transactions
from scorer.kafka.consume.whole import Whole
from scorer.labels.board import Board
from scorer.labels.cells import Measure
from scorer.labels.joining import Herald, Joiner, Outbox, QualityMetrics
from scorer.labels.ledger import Ledger, Span
from scorer.labels.reading import Thinner
from scorer.labels.sources import readings
from scorer.labels.task import gives_probabilities, task_of
from scorer.labels.topics import (
    HOUR_MS,
    intake_settings,
    required_labels,
    required_monitor,
    state_settings,
    state_topic,
)
from scorer.model import Bundle, chosen_version, load_booster, repository_at
from scorer.monitor import Health, Metrics, serve
from scorer.rollout import choosing
from scorer.serving.formats import open_formats
from scorer.serving.homes import home_of
from scorer.settings import BatchSettings, KafkaSettings, LabelSettings, Settings
from scorer.stopping import Stop, by_signals

BATCH = BatchSettings(max_records=10_000, max_wait_ms=200, mode="fixed")
LOOP_LIMIT_SECONDS, WAIT_SECONDS, RETRY_SECONDS, CLOSE_SECONDS = 60.0, 0.5, 5.0, 5.0
START_SECONDS = 30.0
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Intake:
    """The first half: its consumer, its transactions, and the maker of slim records."""

    source: Source
    delivery: ExactlyOnce
    thinner: Thinner


def run(settings: Settings) -> bool:
    """Join until asked to stop; return whether the replica left its groups within the deadline.

    Raises:
        Misconfigured: with every problem, before any record is read.
        Unavailable: the brokers or the schema registry cannot be reached.
        Fatal: a topic is missing, or there was no safe way to continue.
    """
    labels, monitor = required_labels(settings), required_monitor(settings)
    bundle, measure = measured(settings, labels)
    read = readings(open_formats(settings), labels, measure.task)
    kafka, topic = intake_settings(settings, tuple(read)), state_topic(settings)
    _require_topics(kafka, [*read, topic, monitor])
    stop, metrics, health, board = Stop(settings.shutdown.deadline_s), Metrics(), Health(LOOP_LIMIT_SECONDS), Board()
    condition = partial(_condition, health)
    span = Span(round(labels.window_hours * HOUR_MS), round(labels.horizon_hours * HOUR_MS))

    def ledger(partition: int) -> Ledger:
        return Ledger(partition, span, measure, labels.segments)

    with by_signals(stop), ExitStack() as stack:
        if settings.http is not None:
            stack.enter_context(serve(settings.http, metrics, health))
        second = Second(state_settings(settings), topic, ledger, board, stop)
        herald = Herald(second.told, board, QualityMetrics(metrics.registry, lambda: second.events))
        opened = partial(MonitorTopic, settings.kafka, monitor, bundle.name, [herald])
        telling = Telling(opened, [herald])
        stack.callback(telling.close)
        telling.start()
        stack.enter_context(second.running(lambda reason: log.debug("state topic", reason=reason)))
        source = Source(kafka, BATCH, metrics, condition)
        letters = DeadLetters(kafka.dead_letter_topic, bundle.name, bundle.version)
        transactions = Transactions(kafka, letters, condition, source.commits, None, stop.left)
        intake = Intake(source, ExactlyOnce(transactions, source.membership), Thinner(read))
        source.subscribe(intake.delivery, stop.left)
        log.info("joining labels", model=bundle.name, task=str(measure.task), topics=", ".join(read), state=topic)
        try:
            while not stop.requested():
                _turn(intake, health, stop)
            second.check()
        finally:
            intake.delivery.close()
            left = source.close(max(CLOSE_SECONDS, min(stop.left(), stop.seconds)))
    return left


def measured(settings: Settings, labels: LabelSettings) -> tuple[Bundle, Measure]:
    """Return the champion, and how its quality is measured.

    Raises:
        Misconfigured: it cannot be loaded.
        Unavailable: the brokers with the roll-out state do not answer.
    """
    home = home_of(settings)
    held = home.read() if home else None
    if held is not None and held.state is not None:
        settings = choosing(settings, held.state.versions_of(held.state.champion)[0])
    bundle = repository_at(settings.model.path).find(chosen_version(settings))
    known = bundle.manifest.objective if bundle.manifest else None
    objective = known or load_booster(bundle.model_file, bundle.rounds).objective
    return bundle, Measure(task_of(objective), gives_probabilities(objective), labels.threshold)


class Second:
    """The second half, on its own thread. If it fails permanently, it asks the program to stop.

    Args:
        kafka: the brokers and the group.
        topic: the state topic.
        opened: makes the ledger of a partition.
        board: the accounts that all replicas have published.
        stop: ends the program.
    """

    def __init__(
        self, kafka: KafkaSettings, topic: str, opened: Callable[[int], Ledger], board: Board, stop: Stop
    ) -> None:
        self._kafka, self._topic, self._open, self._board, self._stop = kafka, topic, opened, board, stop
        self._joiner: Joiner | None = None
        self._failed: Exception | None = None
        self.told = Outbox()

    @property
    def events(self) -> int:
        """The number of events in memory."""
        return self._joiner.events if self._joiner else 0

    def check(self) -> None:
        """Raise the error that ended the thread, if there was one."""
        if self._failed is not None:
            raise self._failed

    @contextmanager
    def running(self, condition: Callable[[str], None]) -> Iterator[None]:
        """Run the thread until the block ends, which requests a stop."""
        thread = threading.Thread(target=self._run, args=(condition,), name="labels", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stop.request()
            thread.join(CLOSE_SECONDS)

    def _run(self, condition: Callable[[str], None]) -> None:
        try:
            while not self._stop.requested():
                try:
                    self._join(condition)
                except Unavailable as error:
                    condition(str(error))
                    time.sleep(RETRY_SECONDS)
        except Exception as error:  # noqa: BLE001  raised again by `check`
            self._failed = error
            self._stop.request()

    def _join(self, condition: Callable[[str], None]) -> None:
        with closing(Whole(self._kafka, self._topic, condition)) as reader:
            self._joiner = Joiner(reader, self._open, self._board, self.told)
            while not self._stop.requested():
                self._joiner.turn()


def _turn(intake: Intake, health: Health, stop: Stop) -> None:
    """Take one batch from its topics to the state topic."""
    health.heartbeat()
    records, failed = intake.source.poll(), set[str]()
    while records is not None and not stop.requested():
        try:
            written, payloads = intake.thinner.thin(records)
            intake.delivery.publish(written, payloads, ())
            break
        except Unavailable as error:
            failed.add(error.component)
            health.set(error.component, False, str(error))  # noqa: FBT003  reads as a sentence
            records = intake.source.keep_alive(records, WAIT_SECONDS)
            health.heartbeat()
    for component in failed:
        health.set(component, True, "answering")  # noqa: FBT003  the same
    intake.delivery.serve()
    intake.delivery.commit()
    joined = intake.source.assignment.joined
    health.set("assigned", joined, f"{len(intake.source.assignment.owned)} partitions")


def _condition(health: Health, reason: str) -> None:
    health.set("kafka", not reason, reason or "answering")


def _require_topics(kafka: KafkaSettings, names: list[str]) -> None:
    there = Admin(kafka, START_SECONDS).topics(names)
    if missing := [name for name in names if name not in there]:
        raise Fatal(f"missing topics: {', '.join(missing)}; `scorer topics --create` creates them")
