"""Scores a range of past offsets again: a replica with its own consumer group that stops at the end of the range."""

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from scorer.errors import Fatal, Misconfigured, Problem
from scorer.kafka import Admin, Ending, Span, Topic, dead_letter_topic, fix_span
from scorer.model import repository_at
from scorer.replica import app
from scorer.rollout import Held, choosing
from scorer.serving.homes import current_state, home_of
from scorer.serving.serving import prepare
from scorer.settings import AlertSettings, KafkaSettings, MonitorSettings, Settings

START_SECONDS = 30.0
DEAD_LETTERS = ".dead-letters"  # the end of the name of a topic, unless one is given


@dataclass(frozen=True, slots=True)
class Job:
    """The range to score again. Processes with the same job share its partitions.

    since, until: the range of record timestamps, without its end, in milliseconds since the epoch.
    output:       the topic of the predictions.
    dead_letters: the topic of the dead letters.
    version:      the version that scores; None for the champion when the job began.
    """

    since: int
    until: int
    output: str
    dead_letters: str
    version: str | None = None

    def group(self, settings: Settings) -> str:
        """Return the name of the job's own consumer group."""
        kafka = settings.kafka
        parts = [kafka.input_topics, repository_at(settings.model.path).name, self.version]
        text = json.dumps([*parts, self.since, self.until, self.output, self.dead_letters], default=str)
        return f"{kafka.group_id}.backfill.{hashlib.sha256(text.encode()).hexdigest()[:12]}"


@dataclass(frozen=True, slots=True)
class Done:
    """The part of a job that this process did.

    group:        the consumer group.
    version:      the version that scored.
    span:         the range of offsets of each partition.
    scored:       the number of predictions that it wrote.
    dead_letters: the number of dead letters that it wrote.
    complete:     whether the whole job is finished; otherwise the process was stopped before.
    """

    group: str
    version: str
    span: Span
    scored: int
    dead_letters: int
    complete: bool


def run(settings: Settings, job: Job, progress: Callable[[int, int], None]) -> Done:
    """Score a range until it is written, or until SIGTERM or Ctrl-C.

    Args:
        settings: those of the replicas whose events are scored again.
        job: the range.
        progress: receives the number of events that this process has written, and the number of offsets in the range.

    Raises:
        Misconfigured: the job or the bundle is wrong, before any record is read.
        Unavailable: the brokers do not answer.
        Fatal: a topic is missing, or there was no safe way to continue.
    """
    if problems := _problems(settings, job):
        raise Misconfigured(problems)
    group = job.group(settings)
    version = job.version or _champion(settings)
    own = settings_of(settings, job, group)
    _require_loadable(own, version)
    _create_topics(own.kafka)
    span = fix_span(own.kafka, job.since, job.until, version)
    ending = Ending(span.ends, lambda events: progress(events, span.offsets))
    app.run(choosing(own, span.note), ending)
    return Done(group, span.note, span, ending.scored_events, ending.dead_letters, ending.complete)


def settings_of(settings: Settings, job: Job, group: str) -> Settings:
    """Return the settings of a replica of the job, which sends nothing to the live group."""
    changed = {
        "group_id": group,
        "output_topic": job.output,
        "dead_letter_topic": job.dead_letters,
        "control_topic": None,
        "delivery": "exactly-once",
        "start_from": "earliest",
        "instance_id": None,
    }
    predictions = settings.predictions.model_copy(update={"shadow_topic": None})
    beside = {"http": None, "labels": None, "monitor": MonitorSettings(), "alerts": AlertSettings()}
    kafka = settings.kafka.model_copy(update=changed)
    return settings.model_copy(update={"stream": kafka, "predictions": predictions, **beside})


def _problems(settings: Settings, job: Job) -> list[Problem]:
    kafka, problems, now = settings.kafka, list[Problem](), int(time.time() * 1000)
    if job.since >= job.until:
        problems.append(Problem("--to", "is not after --from"))
    if job.until > now:
        problems.append(Problem("--to", "is in the future", "events could still arrive: name a time in the past"))
    live = _topics_of(settings)
    for option, topic in (("--output-topic", job.output), ("--dead-letter-topic", job.dead_letters)):
        if topic in live:
            problems.append(Problem(option, f"{topic} is a topic of the configuration", "name a topic of its own"))
    if job.output == job.dead_letters:
        problems.append(Problem("--dead-letter-topic", "is the same as --output-topic", "name another topic"))
    if kafka.properties.get("isolation.level") == "read_uncommitted":
        what = "read_uncommitted: records of aborted transactions would be scored"
        problems.append(Problem("kafka.properties.isolation.level", what, "expected read_committed here"))
    return problems


def _topics_of(settings: Settings) -> set[str | None]:
    """Return every topic that the configuration names."""
    kafka, monitor, labels = settings.kafka, settings.monitor, settings.labels
    beside = {settings.predictions.shadow_topic, monitor.topic, monitor.capture.topic if monitor.capture else None}
    beside |= {labels.topic, labels.state_topic} if labels else set()
    return {*kafka.input_topics, kafka.output_topic, kafka.dead_letter_topic, kafka.control_topic, *beside}


def _champion(settings: Settings) -> str:
    """Return the champion, as it is now.

    Raises:
        Misconfigured: it is an ensemble.
    """
    home = home_of(settings)
    try:
        champion = current_state(settings, home.read() if home else Held()).champion
    finally:
        if home:
            home.close()
    if champion not in repository_at(settings.model.path).versions():
        what = f"the champion is the ensemble '{champion}'"
        raise Misconfigured([Problem("--version", what, "name one of its versions")])
    return champion


def _require_loadable(settings: Settings, version: str) -> None:
    """Load the version once, so that no topic is created for one that cannot score.

    Raises:
        Misconfigured: there is no such version, or it does not fit the events.
    """
    try:
        bundle = repository_at(settings.model.path).find(version)
    except Misconfigured as error:
        where = {"model.version": "--version"}  # what is unknown is the option
        raise Misconfigured(
            [replace(each, where=where.get(each.where, each.where)) for each in error.problems]
        ) from None
    prepare(settings, bundle)


def _create_topics(kafka: KafkaSettings) -> None:
    """Create missing topics of the job, with as many partitions as the largest input topic."""
    admin = Admin(kafka, START_SECONDS)
    found = admin.topics([*kafka.input_topics, kafka.output_topic, kafka.dead_letter_topic])
    inputs = [found[name] for name in kafka.input_topics if name in found]
    if len(inputs) < len(kafka.input_topics):
        missing = ", ".join(name for name in kafka.input_topics if name not in found)
        raise Fatal(f"missing topics: {missing}")
    partitions = max(topic.partitions for topic in inputs)
    if kafka.output_topic not in found:
        admin.create([Topic(kafka.output_topic, partitions)])
    if kafka.dead_letter_topic not in found:
        admin.create([dead_letter_topic(kafka.dead_letter_topic, partitions, inputs)])
