"""The librdkafka properties that are refused in `kafka.properties`, each with the reason.

A property is refused if it would break a guarantee (no commit before the write, the order of a partition, the
partitioner, bounded memory, a clean stop) or is another setting. Users may tune everything else.
"""

import re
from collections.abc import Mapping
from pathlib import Path

_COMMITS = "scorer itself commits an offset when everything below it is written"
_ACKS = "always all: a commit implies that all in-sync replicas have the prediction"
_IDEMPOTENT = "always true: without it a retry could publish twice or out of order"
_PARTITIONER = "always murmur2_random, so that a key goes to the same partition as with other clients"
_ORDER = "predictions of one partition are published in the order of its events"
_PATIENCE = "scorer waits for unavailable brokers and gives up no write"
_BROKERS = "use kafka.bootstrap_servers"
_CALLBACK = "a callback cannot be given as text"

REFUSED: Mapping[str, str] = {
    "bootstrap.servers": _BROKERS,
    "metadata.broker.list": _BROKERS,
    "group.id": "use kafka.group_id",
    "group.instance.id": "use kafka.instance_id",
    "auto.offset.reset": "use kafka.start_from",
    "enable.auto.commit": _COMMITS,
    "auto.commit.enable": _COMMITS,
    "enable.auto.offset.store": _COMMITS,
    "offset.store.method": "offsets are stored on the brokers, where other replicas of the group find them",
    "enable.partition.eof": "always true: scorer also commits the end of a partition that is not a record, such as a "
    "transaction's marker",
    "allow.auto.create.topics": "a mistyped topic must be an error; use `scorer topics --create`",
    "acks": _ACKS,
    "request.required.acks": _ACKS,
    "enable.idempotence": _IDEMPOTENT,
    "delivery.report.only.error": "every delivery report is counted before a commit",
    "message.timeout.ms": _PATIENCE,
    "delivery.timeout.ms": _PATIENCE,
    "message.max.bytes": "a dead letter may be as large as the input topic allows its event to be",
    "statistics.interval.ms": "scorer measures the lag with it",
    "queuing.strategy": _ORDER,
    "msg_order_cmp": _ORDER,
    "partitioner": _PARTITIONER,
    "transactional.id": "use kafka.delivery and kafka.instance_id",
    "enabled_events": "scorer would not get the delivery reports",
    "log.queue": "nothing reads that queue, so it would grow without limit; use `log_level`",
    "internal.termination.signal": "scorer handles signals itself, to stop without losing anything",
}
"""Refused with any value."""

LIMITED: Mapping[str, tuple[int, int, str]] = {
    "max.in.flight.requests.per.connection": (1, 5, _ORDER),
    "max.in.flight": (1, 5, _ORDER),
    "message.send.max.retries": (1, 2_147_483_647, "a failed write must be retried"),
    "retries": (1, 2_147_483_647, "a failed write must be retried"),
}
"""Refused outside these limits: lowest, highest, reason."""

CHECKED = frozenset({*LIMITED, "isolation.level"})
"""Refused in a file, whose content is not known when settings are checked."""

CALLBACKS = re.compile(r"(_cb|^on_.*|^opaque|^interceptors|^logger|^default_topic_conf|^default\.topic\.config)\Z")
SECRET = re.compile(
    r"pas(?:s(?!age)|w)|pwd|secret|credential(?!s\.client\.id)|jaas|token(?!\.endpoint)|key\.pem\Z|^ssl_key\Z|^sasl\.oauthbearer\.config\Z",
    re.IGNORECASE,
)
SECRET_VALUE = re.compile(r"(pass\w*|pwd|\w*secret|token)\s*=|PRIVATE KEY-----", re.IGNORECASE)
"""A secret in a value whose name does not show that, such as the configuration of a Java client."""


class RefusedProperties(ValueError):
    """Properties that are refused, with the reason of each by its name."""

    def __init__(self, reasons: Mapping[str, str]) -> None:
        self.reasons = reasons
        super().__init__("; ".join(f"{name}: {reason}" for name, reason in reasons.items()))


def check_properties(properties: dict[str, str]) -> dict[str, str]:
    """Return the properties unchanged.

    Raises:
        RefusedProperties: some of them are refused.
    """
    reasons = {name: reason for name, value in properties.items() if (reason := _why_not(name, value))}
    if reasons:
        raise RefusedProperties(reasons)
    return properties


def check_names(files: dict[str, Path]) -> dict[str, Path]:
    """Return the files of properties unchanged.

    Raises:
        RefusedProperties: some of the properties are refused.
    """
    reasons = {name: reason for name in files if (reason := _why_not(name, "1"))}
    checked = "refused in a file: its value is checked, so give it in kafka.properties"
    reasons |= dict.fromkeys(files.keys() & CHECKED, checked)
    if reasons:
        raise RefusedProperties(reasons)
    return files


def _why_not(name: str, value: str) -> str:
    if not name:
        return "expected the name of a property"
    if name in REFUSED:
        return f"refused: {REFUSED[name]}"
    if CALLBACKS.search(name):
        return f"refused: {_CALLBACK}"
    if name in LIMITED:
        low, high, reason = LIMITED[name]
        if not re.fullmatch(r"\d{1,10}", value) or not low <= int(value) <= high:
            return f"expected a whole number from {low} to {high}: {reason}"
    return ""
