"""Every setting: its type, unit, default, limits and meaning. Errors and the reference are worded from here."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from scorer.settings.kinds import (
    Bytes,
    Entries,
    Expects,
    Framing,
    Milliseconds,
    Optional,
    PathSetting,
    Ratio,
    Records,
    Seconds,
    Servers,
    Text,
    Topic,
    Topics,
    Url,
    Urls,
    VersionName,
    Yes,
)
from scorer.settings.properties import check_properties

OAUTH_NEEDED = frozenset({"bearer.auth.client.id", "bearer.auth.client.secret", "bearer.auth.issuer.endpoint.url"})
OAUTH = OAUTH_NEEDED | {"bearer.auth.scope", "bearer.auth.logical.cluster", "bearer.auth.identity.pool.id"}


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

    framing: Framing = Field(
        default="none",
        description="What stands around the Avro body. none: nothing. confluent: the id of a schema registry before "
        "it, or the GUID in the header `__value_schema_id`; each event is read by the schema that it was written with. "
        "single-object: the marker and fingerprint of the Avro specification.",
    )
    schema_path: PathSetting | None = Field(
        alias="schema",
        default=None,
        validate_default=True,
        description="Avro schema (.avsc) of the value; with `framing: confluent` the reader's view, to which every "
        "writer's schema is resolved. null, which `framing: confluent` alone allows: the latest version of the "
        "subject, as it is when a replica starts.",
    )
    subject: Text | None = Field(
        default=None,
        description="Subject of the events' schema in the registry. null: TOPIC-value, of the first input topic where "
        "one schema is meant and of each where versions are fetched ahead.",
    )
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

    @field_validator("schema_path")
    @classmethod
    def _known(cls, path: Path | None, info: ValidationInfo) -> Path | None:
        if path is None and info.data.get("framing", "confluent") != "confluent":
            raise PydanticCustomError("missing", "only a registry can give it")
        return path


class PredictionSettings(Group):
    """The predictions."""

    framing: Framing = Field(
        default="none",
        description="What stands before the Avro body. confluent: the id of the prediction's schema in the registry.",
    )
    subject: Text | None = Field(
        default=None,
        description="Subject of the prediction's schema in the registry. null: OUTPUT_TOPIC-value.",
    )
    register_schema: Yes = Field(
        alias="register",
        default=True,
        description="Register the prediction's schema at the start, if the subject's rule of compatibility lets it. "
        "false: it has to be registered already.",
    )


class TlsSettings(Group):
    """The certificates of a connection, PEM files that are read anew for every connection."""

    ca: PathSetting | None = Field(default=None, description="Authorities that are trusted; null: those of the system.")
    certificate: PathSetting | None = Field(
        default=None, description="Certificate of the client, for servers that ask for one; may hold the key, too."
    )
    key: PathSetting | None = Field(default=None, description="Private key of the certificate.")


class RegistrySettings(Group):
    """The schema registry, which `framing: confluent` needs. Leave the group out otherwise."""

    url: Urls = Field(description="Where it is; of a list, the next address is asked where one does not answer.")
    user: Optional = Field(
        default="",
        description="`name:password`, for basic authentication. One of `user`, `token` and `oauth` at most.",
    )
    token: Optional = Field(default="", description="Token of a bearer.")
    oauth: Annotated[dict[str, str], Expects("a map of bearer.auth properties")] = Field(
        default={},
        description="Client credentials of OAuth 2, by the names of Confluent's clients: `bearer.auth.client.id`, "
        "`bearer.auth.client.secret`, `bearer.auth.issuer.endpoint.url`, and where the registry wants them "
        "`bearer.auth.scope`, `bearer.auth.logical.cluster` and `bearer.auth.identity.pool.id`.",
    )
    tls: TlsSettings | None = None

    @field_validator("user")
    @classmethod
    def _with_password(cls, user: str) -> str:
        if user and ":" not in user:
            raise ValueError("expected name:password")
        return user

    @field_validator("token")
    @classmethod
    def _alone(cls, token: str, info: ValidationInfo) -> str:
        if token and info.data.get("user"):
            raise ValueError("expected registry.user or registry.token, not both")
        return token

    @field_validator("oauth")
    @classmethod
    def _complete(cls, oauth: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        if oauth and (info.data.get("user") or info.data.get("token")):
            raise ValueError("expected one of registry.user, registry.token and registry.oauth")
        if unknown := sorted(set(oauth) - OAUTH):
            raise ValueError(f"'{unknown[0]}' is unknown; known here: {', '.join(sorted(OAUTH))}")
        if oauth and (missing := sorted(OAUTH_NEEDED - set(oauth))):
            raise ValueError(f"expected {', '.join(missing)}, too")
        return oauth


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
    registry: RegistrySettings | None = Field(default=None, validate_default=True)
    features: FeatureSettings | None = None
    model: ModelSettings
    batch: BatchSettings = BatchSettings()
    http: HttpSettings | None = HttpSettings()
    log: LogSettings = LogSettings()
    shutdown: ShutdownSettings = ShutdownSettings()

    @field_validator("registry")
    @classmethod
    def _there_where_needed(cls, registry: RegistrySettings | None, info: ValidationInfo) -> RegistrySettings | None:
        groups = (info.data.get(name) for name in ("events", "predictions"))
        if registry is None and any(group is not None and group.framing == "confluent" for group in groups):
            raise PydanticCustomError("missing", "framing: confluent needs it")
        return registry
