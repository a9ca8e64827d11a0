"""Notices that files with certificates or secrets of the Kafka clients were replaced.

librdkafka reads certificates only when a client is created, so new ones need new clients. A login by name and password
can be replaced in a client, for its next connection.
"""

import time
from collections.abc import Callable
from pathlib import Path

import structlog
from confluent_kafka import Consumer, Producer

from scorer.errors import Misconfigured
from scorer.kafka.client import consumer_properties, property_file
from scorer.kafka.connect import connect
from scorer.security.rotation import Look, look
from scorer.settings import BatchSettings, KafkaSettings

LOOK_SECONDS = 2.0  # between two checks; both must see a change, since a certificate and its key are two files
LOGIN_SECONDS = 1.0  # between two checks of the file of a password
LOGIN = ("sasl.username", "sasl.password")
READ_AT_CREATION = (
    "ssl.ca.location", "ssl.certificate.location", "ssl.key.location", "ssl.keystore.location", "ssl.crl.location",
    "https.ca.location", "sasl.oauthbearer.assertion.private.key.file",
)  # fmt: skip

log = structlog.get_logger()


class Renewal:
    """Watches the files of the clients, and reports when the clients must be replaced.

    Args:
        kafka: the properties that name files.
        batch: the limits of a batch, which the consumer's properties depend on.
        clock: seconds, monotonic.
    """

    def __init__(self, kafka: KafkaSettings, batch: BatchSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._kafka, self._batch, self._clock = kafka, batch, clock
        self._named = [Path(kafka.properties[name]) for name in READ_AT_CREATION if name in kafka.properties]
        self._contents = [path for name, path in kafka.property_files.items() if name not in LOGIN]
        self._looked_at = clock()
        self._used = self._seen = look([*self._named, *self._contents])
        self._due = False

    def due(self) -> bool:
        """Return whether files were replaced since the start or the last `done`, and the new ones can be used."""
        if self._due or not self._used or self._clock() - self._looked_at < LOOK_SECONDS:
            return self._due
        self._looked_at, before, self._seen = self._clock(), self._seen, self._look()
        if self._seen == self._used or self._seen != before:
            return False
        try:
            connect(Consumer, {"log_level": 0, **consumer_properties(self._kafka, self._batch)})
        except Misconfigured as error:
            log.warning("replaced files of the kafka clients cannot be used: the old ones stay", error=str(error))
            self._used = self._seen
            return False
        self._due = True
        return True

    def _look(self) -> Look:
        """Check the files. A missing file of a property counts as unchanged: its last content stays in use."""
        named, contents = look(self._named), look(self._contents)
        used = self._used[len(named) :]
        return *named, *(now or before for now, before in zip(contents, used, strict=True))

    def done(self) -> None:
        """Note that the clients were replaced."""
        self._used, self._due = self._seen, False


class Login:
    """The login of one client, from files that may be replaced.

    Args:
        kafka: the properties.
        clock: seconds, monotonic.
    """

    def __init__(self, kafka: KafkaSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._kafka, self._clock = kafka, clock
        self._from_files = not kafka.property_files.keys().isdisjoint(LOGIN)
        self._looked_at, self._told = clock(), self._read()

    def renew(self, client: Consumer | Producer) -> None:
        """Pass a changed login to a client; cheap enough for every iteration of the loop."""
        if not self._from_files or self._clock() - self._looked_at < LOGIN_SECONDS:
            return
        self._looked_at, login = self._clock(), self._read()
        if login != self._told:
            client.set_sasl_credentials(*login)
            self._told = login
            log.info("kafka login replaced, for the next connections")

    def properties(self) -> dict[str, str]:
        """Return the properties of the login that come from files, as they are now, for a new client."""
        self._told = self._read()
        return {
            name: value for name, value in zip(LOGIN, self._told, strict=True) if name in self._kafka.property_files
        }

    def _read(self) -> tuple[str, ...]:
        kafka = self._kafka
        return tuple(
            property_file(kafka, name) if name in kafka.property_files else kafka.properties.get(name, "")
            for name in LOGIN
        )
