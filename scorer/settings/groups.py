"""All settings: type, unit, default, limits and meaning. Errors and the reference take their words from here."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from scorer.settings.kinds import (
    Bytes,
    Entries,
    Expects,
    Framing,
    Milliseconds,
    PathSetting,
    Ratio,
    Records,
    Seconds,
    Servers,
    Text,
    Topic,
    Topics,
    Url,
    VersionName,
)
from scorer.settings.properties import check_properties


class Group(BaseModel):
    """Settings that belong together."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, regex_engine="python-re")


class KafkaSettings(Group):
    """The brokers, the consumer group and the topics."""

    bootstrap_servers: Servers = Field(description="Brokers to connect to first; they announce the others.")
    group_id: Text = Field(description="Consumer group of the replicas, which share the partitions.")
    input_topics: Topics = Field(description="Topics of the events.")
    output_topic: Topic = Field(description="Topic of the predictions; not one of `input_topics`.")
    dead_letter_topic: Topic = Field(
        description="Topic of the records that cannot be scored; not `output_topic` and not one of `input_topics`."
    )
    max_dead_letter_ratio: Ratio | None = Field(
        default=None,
        description="Highest share of dead letters among the last `dead_letter_window` records. Above it, a replica "
        "exits with 1 without publishing or committing the current batch: a guard against a wrong schema or model. "
        "0 allows no dead letter, null any number.",
    )
    dead_letter_window: Records = Field(
        default=1_000,
        ge=1,
        le=1_000_000,
        description="Number of records for `max_dead_letter_ratio`, counted by each replica; until that many have been "
        "read, the missing ones count as good.",
    )
    delivery: Literal["at-least-once", "exactly-once"] = Field(
        default="at-least-once",
        description="at-least-once: an offset is committed when everything below it is written; nothing is lost, and "
        "after a crash some predictions may be published again. exactly-once: a batch's predictions, dead letters and "
        "offsets are one transaction; consumers with `isolation.level=read_committed` see each once.",
    )
    start_from: Literal["earliest", "latest"] = Field(
        default="earliest",
        description="Where a group without committed offsets for a topic starts to read it: at the first record or at "
        "the end. Partitions that are added later are always read from their first record.",
    )
    instance_id: Text | None = Field(
        default=None,
        description="Static membership: a unique name for each replica, so that a restart within `session.timeout.ms` "
        "moves no partition. Meant for `group.protocol: classic`. It is also the stable part of `transactional.id`.",
    )
    properties: Annotated[
        dict[str, str], AfterValidator(check_properties), Expects("a map of librdkafka properties")
    ] = Field(
        default={},
        description="Any librdkafka property (`security.*`, `sasl.*`, `ssl.*`, `group.protocol`, tuning) except those "
        "refused below. A null removes a property that an earlier source has set.",
    )

    @field_validator("output_topic")
    @classmethod
    def _not_an_input(cls, topic: str, info: ValidationInfo) -> str:
        if topic in info.data.get("input_topics", ()):
            raise ValueError(
                "expected a topic that is not one of kafka.input_topics: predictions would be scored as events"
            )
        return topic

    @field_validator("dead_letter_topic")
    @classmethod
    def _a_topic_of_its_own(cls, topic: str, info: ValidationInfo) -> str:
        if topic in info.data.get("input_topics", ()):
            raise ValueError(
                "expected a topic that is not one of kafka.input_topics: dead letters would be read again for ever"
            )
        if topic == info.data.get("output_topic"):
            raise ValueError("expected a topic that is not kafka.output_topic: dead letters are not predictions")
        return topic


class EventSettings(Group):
    """The events: their schema, framing, id and time."""

    schema_path: PathSetting = Field(alias="schema", description="Avro schema (.avsc) of the value.")
    framing: Framing = Field(default="none", description="Header before the Avro body.")
    id: Text | None = Field(
        default=None,
        description="Scalar field that is copied as text into `event_id`. If unset, or null in an event, the id is "
        "topic-partition-offset.",
    )
    time: Text | None = Field(
        default=None,
        description="Timestamp field with the event's time. If unset, or null in an event, it is the record's "
        "timestamp, or the time of scoring if the record has none.",
    )
    max_bytes: Bytes = Field(
        default=1_000_000, ge=1, le=1_000_000_000, description="A larger value is a dead letter `too-large`."
    )


class PredictionSettings(Group):
    """The predictions."""

    framing: Framing = Field(default="none", description="Header before the Avro body.")


class CacheSettings(Group):
    """Caches Redis replies, misses included. With `features.cache: null`, every batch asks Redis for all its keys."""

    ttl_ms: Milliseconds = Field(
        ge=1,
        le=3_600_000,
        description="How long a reply is used, counted from before its request was sent. A feature may be out of date "
        "for this long. Use does not extend it.",
    )
    max_entries: Entries = Field(
        default=100_000,
        ge=1,
        le=10_000_000,
        description="Most keys that are cached for each entity, rounded up to a multiple of 8. Beyond that, the oldest "
        "replies are dropped.",
    )


class FeatureSettings(Group):
    """The feature store. Leave the group out if the plan has no entities: Redis is then never contacted."""

    url: Url = Field(
        default="redis://localhost:6379/0",
        description="Redis: redis://, rediss:// (TLS), unix://, redis+cluster:// or redis+sentinel://. Percent-encode "
        "special characters in user and password: / is %2F, @ is %40, # is %23, [ is %5B.",
    )
    timeout_ms: Milliseconds = Field(
        default=100,
        ge=1,
        le=60_000,
        description="Timeout of an attempt to connect, and of silence while waiting for a reply; a reply that keeps "
        "arriving may take ten times as long.",
    )
    when_unavailable: Literal["wait", "impute", "dead-letter"] = Field(
        default="wait",
        description="While Redis is unavailable: wait and retry, score with the columns' defaults (`degraded` is then "
        "true), or make dead letters `no-features`.",
    )
    when_missing: Literal["impute", "dead-letter"] = Field(
        default="impute",
        description="For a missing entity: score with the columns' defaults, or make a dead letter `no-features`. An "
        "entity's own policy in the plan overrides this.",
    )
    cache: CacheSettings | None = None


class ModelSettings(Group):
    """The model."""

    path: PathSetting = Field(description="Folder of versions; the last part of its path is the model's name.")
    version: VersionName = Field(
        default="latest", description="Version to serve. latest is the last one in natural order: 10 is after 9."
    )


class BatchSettings(Group):
    """The limits of a batch, which ends when one of them is reached."""

    max_records: Records = Field(default=500, ge=1, le=100_000, description="Most records in a batch.")
    max_wait_ms: Milliseconds = Field(
        default=20,
        ge=0,
        le=60_000,
        description="Longest time that a batch waits for more records, which bounds how much waiting adds to latency.",
    )
    max_bytes: Bytes = Field(
        default=8_000_000, ge=1, le=1_000_000_000, description="Most bytes of the values in a batch."
    )
    mode: Literal["adaptive", "fixed"] = Field(
        default="adaptive",
        description="adaptive: a batch takes the records that are available, and waits for more only a few times as "
        "long as scoring a batch takes: batches are small at a low rate and large in a backlog. fixed: it always waits "
        "for `max_wait_ms`, or until it is full.",
    )


class HttpSettings(Group):
    """Metrics and health at /metrics, /live and /ready. `http: null` turns the server off."""

    host: Text = Field(default="127.0.0.1", description="Address to listen on; 0.0.0.0 in a container.")
    port: int = Field(default=9464, ge=0, le=65_535, description="Port to listen on; 0 takes any free one.")


class LogSettings(Group):
    """The log, on stderr."""

    level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="Lowest level to log.")
    format: Literal["auto", "text", "json"] = Field(
        default="auto", description="Text for people, JSON for machines; auto is text on a terminal and JSON elsewhere."
    )


class ShutdownSettings(Group):
    """Stopping on SIGTERM or Ctrl-C."""

    deadline_s: Seconds = Field(
        default=25.0,
        gt=0,
        le=3_600,
        description=(
            "Time to finish and commit the current batches. During a rebalance a commit waits for up to one"
            " `heartbeat.interval.ms`. Events that are not committed are scored again."
        ),
    )


class Settings(Group):
    """The whole configuration, with absolute paths."""

    kafka: KafkaSettings
    events: EventSettings
    predictions: PredictionSettings = PredictionSettings()
    features: FeatureSettings | None = None
    model: ModelSettings
    batch: BatchSettings = BatchSettings()
    http: HttpSettings | None = HttpSettings()
    log: LogSettings = LogSettings()
    shutdown: ShutdownSettings = ShutdownSettings()
