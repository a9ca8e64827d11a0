"""Every setting: its type, unit, default, limits and meaning. Errors and the reference are worded from here."""

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

    bootstrap_servers: Servers = Field(description="Brokers to ask first; they name the others.")
    group_id: Text = Field(description="Consumer group of the replicas; the partitions are divided among them.")
    input_topics: Topics = Field(description="Topics of the events.")
    output_topic: Topic = Field(description="Topic of the predictions; not one of `input_topics`.")
    dead_letter_topic: Topic = Field(
        description="Topic of the records that cannot be scored; not `output_topic` and not one of `input_topics`."
    )
    max_dead_letter_ratio: Ratio | None = Field(
        default=None,
        description="Share of dead letters among the last `dead_letter_window` records above which a replica stops "
        "with exit 1, without publishing or committing the batch in hand: a guard against a wrong schema or model. "
        "0 allows none, null any number.",
    )
    dead_letter_window: Records = Field(
        default=1_000,
        ge=1,
        le=1_000_000,
        description="Records over which `max_dead_letter_ratio` is taken, by each replica on its own; after a start "
        "those that have not come yet count as good.",
    )
    delivery: Literal["at-least-once", "exactly-once"] = Field(
        default="at-least-once",
        description="at-least-once: an offset is committed when everything below it is written; nothing is lost, and "
        "after a crash some predictions may be published again. exactly-once: a batch's predictions, dead letters and "
        "offsets are one transaction; who reads with `isolation.level=read_committed` sees each once.",
    )
    start_from: Literal["earliest", "latest"] = Field(
        default="earliest",
        description="Where a group begins in a topic of which it has no offsets, or none any more: at the first record "
        "or at the end. Partitions that are added later begin at their first record either way.",
    )
    instance_id: Text | None = Field(
        default=None,
        description="Static membership: a name of its own for each replica, so that a restart within "
        "`session.timeout.ms` moves no partition. Meant for `group.protocol: classic`. It is the stable part of "
        "`transactional.id`, too.",
    )
    properties: Annotated[
        dict[str, str], AfterValidator(check_properties), Expects("a map of librdkafka properties")
    ] = Field(
        default={},
        description="Any librdkafka property (`security.*`, `sasl.*`, `ssl.*`, `group.protocol`, tuning), but for "
        "those refused below. A null takes away one that an earlier source gave.",
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
                "expected a topic that is not one of kafka.input_topics: a dead letter would be read again for ever"
            )
        if topic == info.data.get("output_topic"):
            raise ValueError("expected a topic that is not kafka.output_topic: dead letters are not predictions")
        return topic


class EventSettings(Group):
    """The events: their schema and what is taken from each."""

    schema_path: PathSetting = Field(alias="schema", description="Avro schema (.avsc) of the value.")
    framing: Framing = Field(default="none", description="What stands before the Avro body.")
    id: Text | None = Field(
        default=None,
        description="Scalar field copied as text into `event_id`; where null, topic-partition-offset is taken.",
    )
    time: Text | None = Field(
        default=None,
        description="Timestamp field, the event's time; where null, the record's timestamp is taken, and where that "
        "has none, the time of scoring.",
    )
    max_bytes: Bytes = Field(
        default=1_000_000, ge=1, le=1_000_000_000, description="A larger value is a dead letter `too-large`."
    )


class PredictionSettings(Group):
    """The predictions."""

    framing: Framing = Field(default="none", description="What stands before the Avro body.")


class CacheSettings(Group):
    """Answers of Redis, misses included, that a replica uses again. `features.cache: null` has every batch ask anew."""

    ttl_ms: Milliseconds = Field(
        ge=1,
        le=3_600_000,
        description="How long an answer is used again, from before its question was sent: a feature may be as much "
        "older than in Redis. Use does not lengthen it.",
    )
    max_entries: Entries = Field(
        default=100_000,
        ge=1,
        le=10_000_000,
        description="Keys of each entity that are kept at most, rounded up to a multiple of 8. Where they are too few, "
        "the oldest answers go.",
    )


class FeatureSettings(Group):
    """The feature store. Leave the group out where the plan has no entities: Redis is then never contacted."""

    url: Url = Field(
        default="redis://localhost:6379/0",
        description="Redis: redis://, rediss:// (TLS), unix://, redis+cluster:// or redis+sentinel://. Special "
        "characters of user and password are percent-encoded: / is %2F, @ is %40, # is %23, [ is %5B.",
    )
    timeout_ms: Milliseconds = Field(
        default=100,
        ge=1,
        le=60_000,
        description="Limit of one attempt to connect, and of silence before an answer is whole; one that keeps "
        "arriving may take ten times as long.",
    )
    when_unavailable: Literal["wait", "impute", "dead-letter"] = Field(
        default="wait",
        description="While Redis cannot answer: wait and try again, score with the columns' defaults (`degraded` is "
        "then true), or make dead letters `no-features`.",
    )
    when_missing: Literal["impute", "dead-letter"] = Field(
        default="impute",
        description="An entity that is not there: score with the columns' defaults, or make a dead letter "
        "`no-features`. The plan may say otherwise for an entity.",
    )
    cache: CacheSettings | None = None


class ModelSettings(Group):
    """The model."""

    path: PathSetting = Field(description="Folder of versions; its last part is the model's name.")
    version: VersionName = Field(default="latest", description="Version to serve. Natural order: 10 is after 9.")


class BatchSettings(Group):
    """What bounds a batch: it ends when one of the limits is reached."""

    max_records: Records = Field(default=500, ge=1, le=100_000, description="Records of a batch.")
    max_wait_ms: Milliseconds = Field(
        default=20,
        ge=0,
        le=60_000,
        description="How long a batch waits for more records at most, so the most that waiting adds to latency.",
    )
    max_bytes: Bytes = Field(default=8_000_000, ge=1, le=1_000_000_000, description="Bytes of the values of a batch.")
    mode: Literal["adaptive", "fixed"] = Field(
        default="adaptive",
        description="adaptive: a batch takes what is there, and waits for more only a few times as long as a batch "
        "costs; small batches at a low rate, large ones in a backlog. fixed: it always waits for `max_wait_ms`, or "
        "until it is full.",
    )


class HttpSettings(Group):
    """Metrics and health at /metrics, /live and /ready. `http: null` turns the server off."""

    host: Text = Field(default="127.0.0.1", description="Address to listen at; 0.0.0.0 in a container.")
    port: int = Field(default=9464, ge=0, le=65_535, description="Port to listen at; 0 takes any free one.")


class LogSettings(Group):
    """The log, on stderr."""

    level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="The least that is logged.")
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
            "Time to finish the batches in hand and to commit them, which during a rebalance waits for up to one"
            " `heartbeat.interval.ms`; what is not committed is scored again."
        ),
    )


class Settings(Group):
    """Everything that can be configured; all paths absolute."""

    kafka: KafkaSettings
    events: EventSettings
    predictions: PredictionSettings = PredictionSettings()
    features: FeatureSettings | None = None
    model: ModelSettings
    batch: BatchSettings = BatchSettings()
    http: HttpSettings | None = HttpSettings()
    log: LogSettings = LogSettings()
    shutdown: ShutdownSettings = ShutdownSettings()
