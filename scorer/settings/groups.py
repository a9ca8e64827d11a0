"""All settings: type, unit, default, limits and meaning. Errors and the reference take their words from here."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from scorer.errors import Misconfigured, Problem
from scorer.settings.kinds import (
    Alarms,
    BatchShare,
    Bytes,
    Columns,
    Entries,
    Expects,
    Fields,
    Framing,
    HeaderList,
    Hours,
    Location,
    Milliseconds,
    Name,
    Optional,
    PathSetting,
    PerSecond,
    Psi,
    Ratio,
    Records,
    Requests,
    Score,
    Seconds,
    Secret,
    Servers,
    Share,
    Text,
    Token,
    Topic,
    Topics,
    Url,
    Urls,
    VersionName,
    WebAddress,
    Windows,
    Yes,
)
from scorer.settings.properties import RefusedProperties, check_names, check_properties
from scorer.settings.when import ALWAYS, EXPECTED, When, parse_when

OAUTH_NEEDED = frozenset({"bearer.auth.client.id", "bearer.auth.client.secret", "bearer.auth.issuer.endpoint.url"})
OAUTH = OAUTH_NEEDED | {"bearer.auth.scope", "bearer.auth.logical.cluster", "bearer.auth.identity.pool.id"}


class Group(BaseModel):
    """Settings that belong together."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, regex_engine="python-re")


def _topics_of(kafka: Mapping[str, Any]) -> set[str]:
    """Return the topics of events, predictions and dead letters, as far as they are valid."""
    return {*kafka.get("input_topics", ()), *(kafka.get(name) for name in ("output_topic", "dead_letter_topic"))}


class KafkaSettings(Group):
    """The brokers, the consumer group and the topics. With a group `serve` it may be left out, or null."""

    bootstrap_servers: Servers = Field(description="Brokers to connect to first; they announce the others.")
    group_id: Text = Field(description="Consumer group of the replicas, which share the partitions.")
    input_topics: Topics = Field(description="Topics of the events.")
    output_topic: Topic = Field(description="Topic of the predictions; not one of `input_topics`.")
    dead_letter_topic: Topic = Field(
        description="Topic of the records that cannot be scored; not `output_topic` and not one of `input_topics`."
    )
    control_topic: Topic | None = Field(
        default=None,
        description="Topic of the roll-out state, with one partition and `cleanup.policy=compact`: `scorer topics "
        "--create` makes it so. Every replica follows the changes in it. See docs/rollout.md.",
    )
    max_dead_letter_ratio: Ratio | None = Field(
        default=None,
        description="Highest share of dead letters among the last `dead_letter_window` records. Above it, a replica "
        "exits with 1 without publishing or committing the current batch: a guard against a wrong schema or model. "
        "Dead letters of guarded canaries do not count. 0 allows no dead letter, null any number.",
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
        dict[str, str],
        AfterValidator(check_properties),
        Expects("a map of librdkafka properties"),
        Secret.PROPERTIES,
    ] = Field(
        default={},
        description="Any librdkafka property (`security.*`, `sasl.*`, `ssl.*`, `group.protocol`, tuning) except those "
        "refused below. A null removes a property that an earlier source has set.",
    )
    property_files: Annotated[
        dict[str, PathSetting],
        AfterValidator(check_names),
        Expects("a map of librdkafka properties to paths"),
    ] = Field(
        default={},
        description="Properties whose value is the content of a file, such as `sasl.password`. When such a file or one "
        "that `ssl.*.location` names is replaced, replicas use the new one without a restart.",
    )

    @field_validator("properties")
    @classmethod
    def _committed_only(cls, properties: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        if info.data.get("delivery") == "exactly-once" and properties.get("isolation.level") == "read_uncommitted":
            why = (
                "refused with kafka.delivery: exactly-once: records of aborted transactions would be scored, and the "
                "brokers would not say whether an interrupted transaction committed its offsets"
            )
            raise RefusedProperties({"isolation.level": why})
        return properties

    @field_validator("property_files")
    @classmethod
    def _given_once(cls, files: dict[str, Path], info: ValidationInfo) -> dict[str, Path]:
        if twice := sorted(files.keys() & info.data.get("properties", {}).keys()):
            raise ValueError(f"expected {', '.join(twice)} here or in kafka.properties, not in both")
        return files

    @field_validator("output_topic")
    @classmethod
    def _not_an_input(cls, topic: str, info: ValidationInfo) -> str:
        if topic in info.data.get("input_topics", ()):
            raise ValueError(
                "expected a topic that is not one of kafka.input_topics: predictions would be scored as events"
            )
        return topic

    @field_validator("control_topic")
    @classmethod
    def _a_topic_for_changes(cls, topic: str | None, info: ValidationInfo) -> str | None:
        if topic is not None and topic in _topics_of(info.data):
            raise ValueError("expected a topic of its own: it has changes of the roll-out state, and no events")
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

    framing: Framing = Field(
        default="none",
        description="Header before the Avro body. none: no header. confluent: a zero byte and the id of a schema in "
        "the registry, or no header and the schema's GUID in the record header `__value_schema_id`; each event is "
        "decoded with the schema it was written with. single-object: the marker and fingerprint of the Avro "
        "specification.",
    )
    schema_path: PathSetting | None = Field(
        alias="schema",
        default=None,
        validate_default=True,
        description="Avro schema (.avsc) of the value. With `framing: confluent` it is the reader's schema, to which "
        "events of every writer's schema are resolved; only then may it be null, which means the latest version of the "
        "subject at the start of a replica.",
    )
    subject: Text | None = Field(
        default=None,
        description="Subject of the events' schema in the registry. If null, it is TOPIC-value: the first input topic "
        "names the reader's schema, and the versions of every input topic's subject are fetched at the start.",
    )
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

    @field_validator("schema_path")
    @classmethod
    def _known(cls, path: Path | None, info: ValidationInfo) -> Path | None:
        if path is None and info.data.get("framing", "confluent") != "confluent":
            raise PydanticCustomError("missing", "only a registry can give it")
        return path


class ExplainSettings(Group):
    """Explains predictions by the columns that moved the score most; `predictions.explain: null` turns it off."""

    top: Columns = Field(default=3, ge=1, le=10_000, description="Most columns of an explanation.")
    when: Annotated[When, PlainValidator(parse_when), PlainSerializer(str), Expects(EXPECTED)] = Field(
        default=ALWAYS,
        validate_default=True,
        description="Which predictions are explained: `always`, those with a score `above` or `below` a number (the "
        "highest, where there are several), or a `sample`, which is drawn by the hash of `event_id` and thus the same "
        "on every replica.",
    )
    max_bytes: Bytes = Field(
        default=256_000_000,
        ge=0,
        le=100_000_000_000,
        description="Most memory for the tables of a model, from which explanations are computed. A model that needs "
        "more is explained by XGBoost itself, which takes 50 to 100 times as long; the log says so.",
    )


class PredictionSettings(Group):
    """The predictions."""

    framing: Framing = Field(
        default="none",
        description="Header before the Avro body, as in `events.framing`. confluent: the id of the prediction's schema "
        "in the registry.",
    )
    subject: Text | None = Field(
        default=None,
        description="Subject of the prediction's schema in the registry. If null, it is OUTPUT_TOPIC-value.",
    )
    register_schema: Yes = Field(
        alias="register",
        default=True,
        description="Register the prediction's schema at the start, if the subject's compatibility allows it. If "
        "false, it must be registered already.",
    )
    explain: ExplainSettings | None = None
    shadow_topic: Topic | None = Field(
        default=None,
        description="Topic of the predictions of shadows; see docs/rollout.md. It has none of the guarantees of "
        "`kafka.output_topic`: predictions that cannot be written in time are dropped and counted.",
    )


class TlsSettings(Group):
    """The certificates of TLS connections: PEM files, which are read again for every connection."""

    ca: PathSetting | None = Field(
        default=None, description="Trusted certificate authorities. If null, those of the system."
    )
    certificate: PathSetting | None = Field(
        default=None, description="Client certificate, for servers that ask for one. The file may contain the key, too."
    )
    key: PathSetting | None = Field(default=None, description="Private key of the client certificate.")


class RegistrySettings(Group):
    """The schema registry, which `framing: confluent` requires. Omit the group otherwise."""

    url: Urls = Field(
        description="Address of the registry. With a list, the next address is tried if one does not answer."
    )
    password_file: PathSetting | None = Field(
        default=None,
        description="File with the password, read again when it is replaced; `user` is then the name alone.",
    )
    user: Annotated[Optional, Secret.LOGIN] = Field(
        default="",
        validate_default=True,
        description="`name:password`, for basic authentication. At most one of `user`, `token` and `oauth` may be set.",
    )
    token: Annotated[Optional, Secret.WHOLE] = Field(default="", description="Bearer token.")
    token_file: PathSetting | None = Field(
        default=None, description="File with the bearer token, read again when it is replaced."
    )
    oauth: Annotated[dict[str, str], Expects("a map of bearer.auth properties"), Secret.PROPERTIES] = Field(
        default={},
        description="Client credentials of OAuth 2, under the names that Confluent's clients use: "
        "`bearer.auth.client.id`, `bearer.auth.client.secret`, `bearer.auth.issuer.endpoint.url`, and if the registry "
        "requires them `bearer.auth.scope`, `bearer.auth.logical.cluster` and `bearer.auth.identity.pool.id`.",
    )
    tls: TlsSettings | None = None

    @field_validator("user")
    @classmethod
    def _with_password(cls, user: str, info: ValidationInfo) -> str:
        file = info.data.get("password_file")
        if file is None and user and ":" not in user:
            raise ValueError("expected name:password, or registry.password_file")
        if file is not None and not user:
            raise PydanticCustomError("missing", "whose password it is")
        if file is not None and ":" in user:
            raise ValueError("expected the name alone, since registry.password_file has the password")
        return user

    @field_validator("token")
    @classmethod
    def _alone(cls, token: str, info: ValidationInfo) -> str:
        if token and info.data.get("user"):
            raise ValueError("expected registry.user or registry.token, not both")
        return token

    @field_validator("token_file")
    @classmethod
    def _alone_too(cls, file: Path | None, info: ValidationInfo) -> Path | None:
        if file is not None and (info.data.get("user") or info.data.get("token")):
            raise ValueError("expected one of registry.user, registry.token and registry.token_file")
        return file

    @field_validator("oauth")
    @classmethod
    def _complete(cls, oauth: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        if oauth and any(info.data.get(name) for name in ("user", "token", "token_file")):
            raise ValueError("expected one of registry.user, registry.token and registry.oauth")
        if unknown := sorted(set(oauth) - OAUTH):
            raise ValueError(f"'{unknown[0]}' is unknown; known here: {', '.join(sorted(OAUTH))}")
        if oauth and (missing := sorted(OAUTH_NEEDED - set(oauth))):
            raise ValueError(f"expected {', '.join(missing)}, too")
        return oauth


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
    """The feature store. Leave it out if the plan has no entities; a server without Kafka may do without it anyway."""

    url: Url = Field(
        default="redis://localhost:6379/0",
        description="Redis: redis://, rediss:// (TLS), unix://, redis+cluster:// or redis+sentinel://. Percent-encode "
        "special characters in user and password: / is %2F, @ is %40, # is %23, [ is %5B.",
    )
    read_from: Literal["master", "replica"] = Field(
        default="master",
        description="Which servers of a cluster or behind sentinels are read. replica: a replica of each master, "
        "chosen at random when connecting, or the master if it has none. Replicas are behind their master, usually by "
        "milliseconds.",
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

    @field_validator("read_from")
    @classmethod
    def _has_replicas(cls, read_from: str, info: ValidationInfo) -> str:
        if read_from == "replica" and "+" not in info.data.get("url", "+").partition(":")[0]:
            raise ValueError("expected master, unless features.url starts with redis+cluster:// or redis+sentinel://")
        return read_from


class ModelSettings(Group):
    """The model."""

    path: Location = Field(
        description="Folder of versions, or their address in an object store, such as s3://bucket/models/NAME, or in "
        "MLflow's registry, mlflow:/NAME; the last part is the model's name."
    )
    version: VersionName = Field(
        default="latest",
        description="Version to serve. latest is the last one in natural order: 10 is after 9. In MLflow's registry "
        "also an alias, such as @champion, which replicas follow while they run. Once there is a roll-out state, its "
        "champion is served instead.",
    )
    rollout: Literal["topic", "file", "off"] | None = Field(
        default=None,
        description="Where the roll-out state is stored, which says what version scores which events. topic: in "
        "`kafka.control_topic`. file: in `rollout.yaml` beside the versions. off: there is no such state. If null, it "
        "is topic if `kafka.control_topic` is set, otherwise file if the folder of versions has such a file, otherwise "
        "off; so with an object store, set it to file.",
    )

    @field_validator("rollout")
    @classmethod
    def _beside_the_versions(cls, home: str | None, info: ValidationInfo) -> str | None:
        if home == "file" and str(info.data.get("path")).startswith("mlflow:"):
            raise ValueError("expected topic or off: MLflow's registry has no place for rollout.yaml")
        return home


class BatchSettings(Group):
    """The limits of a batch, which ends when one of them is reached."""

    max_records: Records = Field(default=2_000, ge=1, le=100_000, description="Most records in a batch.")
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


class HttpTlsSettings(Group):
    """The certificate of the HTTP server: PEM files, which are read again when they are replaced."""

    certificate: PathSetting = Field(
        description="The certificate, followed by those of its issuers. The file may contain the key, too."
    )
    key: PathSetting | None = Field(default=None, description="Private key of the certificate, not encrypted.")


class ListenSettings(Group):
    """Where a server listens, and who has access.

    group: the name of the group in the configuration.
    """

    group: ClassVar[str]
    host: Text = Field(default="127.0.0.1", description="Address to listen on; 0.0.0.0 in a container.")
    port: int
    token: str
    token_file: PathSetting | None = Field(
        default=None, description="File with the token, which is read again when it is replaced."
    )

    @field_validator("token_file")
    @classmethod
    def _only_one(cls, file: Path | None, info: ValidationInfo) -> Path | None:
        if file is not None and info.data.get("token"):
            raise ValueError(f"expected {cls.group}.token or {cls.group}.token_file, not both")
        return file


class HttpSettings(ListenSettings):
    """Metrics and health at /metrics, /live and /ready, and a live page. `http: null` turns the server off."""

    group: ClassVar[str] = "http"
    port: int = Field(default=9464, ge=0, le=65_535, description="Port to listen on; 0 takes any free one.")
    token: Annotated[Token, Secret.WHOLE] = Field(
        default="",
        description="Bearer token that a client must send to see more than the status of /live and /ready. If empty, "
        "everyone sees everything. At most one of `token` and `token_file` may be set.",
    )
    tls: HttpTlsSettings | None = None
    page: Yes = Field(
        default=False,
        description="Whether /page/ shows the group live, with the last predictions: their ids, scores and strongest "
        "columns. See docs/page.md.",
    )


class ServeTlsSettings(HttpTlsSettings):
    """The certificate of `scorer serve`: PEM files, which are read again when they are replaced."""

    client_ca: PathSetting | None = Field(
        default=None,
        description="Authorities of client certificates. A client without a certificate of one of them is refused.",
    )


class ClientSettings(Group):
    """A client of `scorer serve`."""

    token: Annotated[Token, Secret.WHOLE] = Field(
        default="", description="Bearer token of the client. One of `token` and `token_file` must be set."
    )
    token_file: PathSetting | None = Field(
        default=None, description="File with the token, which is read again when it is replaced."
    )
    requests_per_s: PerSecond | None = Field(
        default=None,
        gt=0,
        le=1_000_000,
        description="Most requests a second, on average; after a pause, the requests of one second may come at once. "
        "Further ones are answered with 429 and `Retry-After`. null sets no limit.",
    )
    rows_per_s: PerSecond | None = Field(
        default=None,
        gt=0,
        le=1_000_000_000,
        description="Most rows a second, likewise. A request with more rows than that is answered, and those after it "
        "wait longer.",
    )

    @model_validator(mode="after")
    def _with_one_token(self) -> Self:
        if bool(self.token) == (self.token_file is not None):
            raise ValueError("expected one of token and token_file")
        return self


class ServeSettings(ListenSettings):
    """`scorer serve`: answers requests over HTTP, without Kafka. See docs/rest.md."""

    group: ClassVar[str] = "serve"
    port: int = Field(default=8080, ge=0, le=65_535, description="Port to listen on; 0 takes any free one.")
    token: Annotated[Token, Secret.WHOLE] = Field(
        default="",
        description="Bearer token that a client must send, except to health pages. If empty, no token is needed. At "
        "most one of `token` and `token_file` may be set.",
    )
    clients: dict[Name, ClientSettings] = Field(
        default={},
        description="Clients by name, each with its own token and limits. Without `token` and `token_file`, nobody "
        "else has access.",
    )
    tls: ServeTlsSettings | None = None
    max_bytes: Bytes = Field(
        default=10_000_000, ge=1, le=1_000_000_000, description="Most bytes in the body of a request; more is a 413."
    )
    max_rows: Records = Field(default=10_000, ge=1, le=1_000_000, description="Most rows in a request; more is a 413.")
    max_requests: Requests = Field(
        default=1_000,
        ge=1,
        le=1_000_000,
        description="Most requests that may be under way at a time, from their first byte to their answer. Further "
        "ones are answered with 429 and `Retry-After`, and are not read.",
    )
    timeout_ms: Milliseconds = Field(
        default=5_000,
        ge=1,
        le=600_000,
        description="Longest time for a client to send a request; after that, it is answered with 408. Also the "
        "longest time for the request to be scored; after that, it is answered with 503.",
    )
    publish: Yes = Field(
        default=False,
        description="Whether predictions are also written to `kafka.output_topic`, as replicas write theirs. Needs the "
        "group `kafka` and `events.id`. No response waits for it: what the brokers do not accept in time is dropped.",
    )
    drift: Yes = Field(
        default=False,
        description="Whether each server watches the events of its requests for drift, by `monitor.window` and "
        "`monitor.drift`. See docs/rest.md.",
    )


class LabelSettings(Group):
    """The true outcomes of events, which `scorer labels` joins with the predictions. See docs/labels.md."""

    topic: Topic = Field(description="Topic of the labels; not one that replicas read or write.")
    schema_path: PathSetting = Field(alias="schema", description="Avro schema (.avsc) of a label.")
    framing: Framing = Field(default="none", description="Header before the Avro body, as in `events.framing`.")
    id: Text = Field(description="Scalar field of the label whose text is the `event_id` of the prediction.")
    label: Text = Field(
        description="Field of the label with the true outcome: a number, a boolean, or an enum, whose index counts."
    )
    time: Text | None = Field(
        default=None,
        description="Timestamp field: of several labels of an event, the one with the latest time counts. If unset, or "
        "null in a label, it is the record's timestamp.",
    )
    horizon_hours: Hours = Field(
        default=72.0,
        gt=0,
        le=8_784,
        description="How long a window of predictions waits for labels after its end, and a label for its prediction. "
        "It bounds the memory of `scorer labels run`.",
    )
    window_hours: Hours = Field(
        default=1.0,
        gt=0,
        le=744,
        description="Length of the windows, by the time of scoring. Quality is reported for each window.",
    )
    segments: Fields = Field(
        default=(),
        description="Fields by which quality is broken down: fields of the label if it has all of them, otherwise of "
        "the event, which is then read again.",
    )
    threshold: Score = Field(
        default=0.5,
        ge=-1_000_000,
        le=1_000_000,
        description="Score from which a prediction counts as positive, for precision and recall.",
    )
    state_topic: Topic | None = Field(
        default=None,
        description="Topic between the two halves of `scorer labels run`; `scorer topics --create` makes it. If null, "
        "it is GROUP_ID.labels-state.",
    )


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


class WindowSettings(Group):
    """A window of the group, which is full when one of these is reached."""

    events: Records = Field(default=1_000, ge=100, le=10_000_000, description="Events of a window.")
    seconds: Seconds = Field(default=300.0, ge=1, le=86_400, description="Longest time of a window.")


class ConfirmSettings(Group):
    """A column drifts if this many of its last windows are above the limit."""

    windows: Windows = Field(default=3, ge=1, le=100, description="Windows above the limit; at most `of`.")
    of: Windows = Field(default=4, ge=1, le=100, description="The last windows that are looked at.")

    @field_validator("of")
    @classmethod
    def _enough(cls, of: int, info: ValidationInfo) -> int:
        if of < info.data.get("windows", 0):
            raise ValueError("expected at least as many as monitor.drift.confirm.windows")
        return of


class DriftSettings(Group):
    """When a column counts as drifted. See docs/drift.md."""

    false_alarms_per_month: Alarms = Field(
        default=1.0,
        gt=0,
        le=1_000_000,
        description="Accepted number of false alarms a month, over all columns. The limit of PSI follows from it.",
    )
    confirm: ConfirmSettings = ConfirmSettings()
    at_least_psi: Psi = Field(
        default=0.05,
        ge=0,
        le=100,
        description="Smallest PSI that can raise an alarm, however significant it is.",
    )
    reference: Literal["baseline", "hour-of-week", "last-windows"] = Field(
        default="baseline",
        description="What a window is compared with. baseline: the model's baseline. hour-of-week: the events of the "
        "same hour in earlier weeks, or the baseline until there are enough. last-windows: the last `last_windows`.",
    )
    last_windows: Windows = Field(
        default=20, ge=1, le=1_000, description="Number of windows of `reference: last-windows`."
    )


class CaptureSettings(Group):
    """Keeps rows as the model saw them, for training. See docs/training-set.md."""

    topic: Topic = Field(
        description="Topic of the rows. With `kafka.delivery: exactly-once` they are written in the transaction of "
        "their batch; otherwise after it, and rows that cannot be written in time are dropped and counted."
    )
    sample: Share = Field(
        default=0.01,
        description="Share of the events, drawn by the hash of the key, or of `event_id` for an event without a key: "
        "the same events on every replica.",
    )


class MonitorSettings(Group):
    """What replicas publish about their work, so that the whole group can be watched. See docs/drift.md."""

    topic: Topic | None = Field(
        default=None,
        description="Topic to which replicas publish what they do, with one partition and "
        "`cleanup.policy=compact,delete`: `scorer topics --create` makes it so. If null, replicas publish nothing and "
        "count nothing.",
    )
    window: WindowSettings = WindowSettings()
    drift: DriftSettings = DriftSettings()
    capture: CaptureSettings | None = None


class AlertSettings(Group):
    """Where alerts about the group are sent. See docs/alerts.md."""

    webhook: Annotated[WebAddress | None, Secret.WHOLE] = Field(
        default=None,
        description="Address that receives each alert as JSON in a POST, with the sentence in `text` as Slack expects: "
        "once when the problem begins and once when it has ended, whatever the number of replicas. It needs "
        "`monitor.topic`, or `serve.drift`, with which each server reports on its own requests.",
    )


class OtelSettings(Group):
    """Traces and metrics over OTLP, with the extra `otel`. See docs/tracing.md."""

    endpoint: WebAddress | None = Field(
        default=None,
        description="Address of an OTLP receiver that takes HTTP, such as `http://localhost:4318`; `/v1/traces` and "
        "`/v1/metrics` are appended. If null, nothing is traced or exported.",
    )
    headers: Annotated[HeaderList, Secret.WHOLE] = Field(
        default="",
        description="Headers of each request, such as `authorization=Bearer%20TOKEN`, as in "
        "OTEL_EXPORTER_OTLP_HEADERS, which is used if this is empty.",
    )
    sample: BatchShare = Field(
        default=0.01,
        description="Share of the batches that are traced, drawn at random; 0 traces none. In `scorer serve`, that "
        "of requests without a `traceparent`.",
    )
    carry: Literal["sampled", "all"] = Field(
        default="sampled",
        description="Which predictions get the headers `traceparent` and `tracestate` of their events: those of "
        "batches that are traced, or all.",
    )
    metrics_seconds: Seconds = Field(
        default=60.0, ge=1, le=86_400, description="Time between two exports of all metrics of /metrics."
    )
    service_name: Text | None = Field(
        default=None, description="The `service.name`. If null, OTEL_SERVICE_NAME, or `scorer` if that is not set."
    )


class Settings(Group):
    """The whole configuration, with absolute paths."""

    stream: KafkaSettings | None = Field(alias="kafka", default=None)
    events: EventSettings
    predictions: PredictionSettings = PredictionSettings()
    registry: RegistrySettings | None = Field(default=None, validate_default=True)
    features: FeatureSettings | None = None
    model: ModelSettings
    batch: BatchSettings = BatchSettings()
    http: HttpSettings | None = HttpSettings()
    serve: ServeSettings = ServeSettings()
    monitor: MonitorSettings = MonitorSettings()
    labels: LabelSettings | None = None
    alerts: AlertSettings = AlertSettings()
    otel: OtelSettings = OtelSettings()
    log: LogSettings = LogSettings()
    shutdown: ShutdownSettings = ShutdownSettings()

    @property
    def kafka(self) -> KafkaSettings:
        """The group `kafka`, for those who cannot do without.

        Raises:
            Misconfigured: there is none.
        """
        if self.stream is None:
            raise Misconfigured([Problem("kafka", "missing", "expected a group: only `scorer serve` does without")])
        return self.stream

    @field_validator("predictions")
    @classmethod
    def _a_topic_for_shadows(cls, predictions: PredictionSettings, info: ValidationInfo) -> PredictionSettings:
        kafka, topic = info.data.get("stream"), predictions.shadow_topic
        if kafka is not None and topic is not None and topic in {*_topics_of(dict(kafka)), kafka.control_topic}:
            raise ValueError("expected a topic of its own in predictions.shadow_topic: nobody uses what is in it")
        return predictions

    @field_validator("serve")
    @classmethod
    def _with_a_stream(cls, serve: ServeSettings, info: ValidationInfo) -> ServeSettings:
        events = info.data.get("events")
        if serve.publish and "stream" in info.data and info.data["stream"] is None:
            raise ValueError("expected a group kafka, which serve.publish: true needs")
        if serve.publish and events is not None and events.id is None:
            raise ValueError(
                "expected events.id, which serve.publish: true needs: a request has no position in a topic"
            )
        return serve

    @field_validator("monitor")
    @classmethod
    def _a_topic_for_monitoring(cls, monitor: MonitorSettings, info: ValidationInfo) -> MonitorSettings:
        kafka, predictions, topic = info.data.get("stream"), info.data.get("predictions"), monitor.topic
        others = {predictions.shadow_topic} if predictions is not None else set()
        others |= {*_topics_of(dict(kafka)), kafka.control_topic} if kafka is not None else set()
        if topic is not None and topic in others:
            raise ValueError("expected a topic of its own in monitor.topic: old records in it are deleted")
        if monitor.capture is not None and monitor.capture.topic in {*others, topic}:
            raise ValueError("expected a topic of its own in monitor.capture.topic: rows are no events")
        return monitor

    @field_validator("labels")
    @classmethod
    def _topics_for_labels(cls, labels: LabelSettings | None, info: ValidationInfo) -> LabelSettings | None:
        kafka, monitor = info.data.get("stream"), info.data.get("monitor")
        if labels is not None and labels.framing == "confluent" and info.data.get("registry") is None:
            raise ValueError("expected a group registry, which labels.framing: confluent needs")
        if labels is None or kafka is None:
            return labels
        others = {*_topics_of(dict(kafka)), kafka.control_topic, monitor.topic if monitor else None}
        if labels.topic in others:
            raise ValueError("expected a topic of its own in labels.topic: replicas neither read nor write it")
        if labels.state_topic is not None and labels.state_topic in {*others, labels.topic}:
            raise ValueError("expected a topic of its own in labels.state_topic: nothing else may be in it")
        return labels

    @field_validator("alerts")
    @classmethod
    def _a_topic_for_alerts(cls, alerts: AlertSettings, info: ValidationInfo) -> AlertSettings:
        monitor, serve = info.data.get("monitor"), info.data.get("serve")
        alone = serve is not None and serve.drift
        if alerts.webhook is not None and monitor is not None and monitor.topic is None and not alone:
            raise ValueError("expected monitor.topic, where the replicas agree on who tells alerts.webhook")
        return alerts

    @field_validator("model")
    @classmethod
    def _with_a_home(cls, model: ModelSettings, info: ValidationInfo) -> ModelSettings:
        kafka = info.data.get("stream")
        if model.rollout == "topic" and "stream" in info.data and (kafka is None or kafka.control_topic is None):
            raise ValueError("expected kafka.control_topic, which model.rollout: topic needs")
        return model

    @field_validator("registry")
    @classmethod
    def _there_where_needed(cls, registry: RegistrySettings | None, info: ValidationInfo) -> RegistrySettings | None:
        groups = (info.data.get(name) for name in ("events", "predictions"))
        if registry is None and any(group is not None and group.framing == "confluent" for group in groups):
            raise PydanticCustomError("missing", "framing: confluent needs it")
        return registry
