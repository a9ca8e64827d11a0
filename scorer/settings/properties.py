"""The librdkafka properties that `kafka.properties` may not hold, each with the reason.

Refused is what would break a promise (a commit implies written, the order of a partition, the partitioner, bounded
memory, a clean stop) or is another setting. Everything else is the user's to tune.
"""

import re
from collections.abc import Mapping

_COMMITS = "scorer commits an offset itself, when everything below it is written"
_ACKS = "always all: a commit implies that all in-sync replicas have the prediction"
_IDEMPOTENT = "always true: without it a retry could publish twice or out of order"
_PARTITIONER = "always murmur2_random, so that a prediction's key lands where other clients would put it"
_ORDER = "predictions of one partition are published in the order of its events"
_PATIENCE = "brokers that are away are waited for; nothing is given up"
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
    "offset.store.method": "offsets belong to the group, on the brokers, where another replica finds them",
    "enable.partition.eof": "always true: scorer commits up to the end of a partition, which no record tells",
    "allow.auto.create.topics": "a mistyped topic must be an error; use `scorer topics --create`",
    "acks": _ACKS,
    "request.required.acks": _ACKS,
    "enable.idempotence": _IDEMPOTENT,
    "delivery.report.only.error": "every delivery report is counted before a commit",
    "message.timeout.ms": _PATIENCE,
    "delivery.timeout.ms": _PATIENCE,
    "message.max.bytes": "a dead letter is as large as the input topic let its event be",
    "statistics.interval.ms": "scorer measures the lag by it",
    "queuing.strategy": _ORDER,
    "msg_order_cmp": _ORDER,
    "partitioner": _PARTITIONER,
    "transactional.id": "use kafka.delivery and kafka.instance_id",
    "enabled_events": "it would take the delivery reports away from scorer",
    "log.queue": "nobody reads that queue, so it would grow without end; use `log_level`",
    "internal.termination.signal": "scorer handles signals itself, to stop without losing anything",
}
"""Refused whatever the value."""

LIMITED: Mapping[str, tuple[int, int, str]] = {
    "max.in.flight.requests.per.connection": (1, 5, _ORDER),
    "max.in.flight": (1, 5, _ORDER),
    "message.send.max.retries": (1, 2_147_483_647, "a failed write is tried again before it counts as failed"),
    "retries": (1, 2_147_483_647, "a failed write is tried again before it counts as failed"),
}
"""Refused outside these limits: lowest, highest, why."""

CALLBACKS = re.compile(r"(_cb|^on_.*|^opaque|^interceptors|^logger|^default_topic_conf|^default\.topic\.config)\Z")
SECRET = re.compile(
    r"pas(?:s(?!age)|w)|pwd|secret|credential(?!s\.client\.id)|jaas|token(?!\.endpoint)|key\.pem\Z|^ssl_key\Z|^sasl\.oauthbearer\.config\Z",
    re.IGNORECASE,
)
SECRET_VALUE = re.compile(r"(pass\w*|pwd|\w*secret|token)\s*=|PRIVATE KEY-----", re.IGNORECASE)
"""In a value whose name does not say that it is secret, such as the configuration of a Java client."""


class RefusedProperties(ValueError):
    """Properties that may not be set: the reason of each by its name."""

    def __init__(self, reasons: Mapping[str, str]) -> None:
        self.reasons = reasons
        super().__init__("; ".join(f"{name}: {reason}" for name, reason in reasons.items()))


def check_properties(properties: dict[str, str]) -> dict[str, str]:
    """Return the properties as they are.

    Raises:
        RefusedProperties: some of them would break a promise or belong to a setting.
    """
    reasons = {name: reason for name, value in properties.items() if (reason := _why_not(name, value))}
    if reasons:
        raise RefusedProperties(reasons)
    return properties


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
