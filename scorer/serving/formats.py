"""The schemas and framings of a stream, from the settings and the schema registry."""

from collections.abc import Callable
from dataclasses import dataclass

from scorer.avro import PREDICTION, PREDICTION_TEXT, Confluent, Framing, Schema, prefixed
from scorer.errors import Misconfigured, Problem
from scorer.registered import Registered
from scorer.registry import Refusal, Registry, patiently
from scorer.settings import Settings


@dataclass(frozen=True, slots=True, eq=False)
class Formats:
    """The formats of events and predictions.

    settings: name the schemas.
    schema:   the schema of the events, which is the reader's.
    registry: None if the settings have none.
    reader:   the version in the registry that the schema was taken from; None if it is a file.
    """

    settings: Settings
    schema: Schema
    registry: Registry | None
    reader: Registered | None = None

    def framing(
        self, header_of: Callable[[object], bytes | None] = lambda _: None, answered: Callable[[], None] = lambda: None
    ) -> Framing:
        """Return the framing of events.

        Args:
            header_of: returns the header of a record that may name its schema, given what the source keeps of it.
            answered: called after each batch for which the registry had an answer to every question.
        """
        chosen = self.settings.events.framing
        if chosen == "confluent":
            return Confluent(self.schema, self._asked(), None, header_of, answered)
        return prefixed(chosen, self.schema)

    def written(self) -> Framing:
        """Return the framing to write events with; the schema of a file is registered, as every producer does.

        Raises:
            Misconfigured: the registry refuses the schema.
            RegistryUnavailable: it does not answer.
        """
        if self.settings.events.framing != "confluent":
            return self.framing()
        return Confluent(self.schema, self._asked(), self._number())

    def prediction_header(self) -> bytes:
        """Return the header of each prediction; its schema is registered if the settings say so.

        Raises:
            Misconfigured: the registry refuses the schema, or does not have it.
            RegistryUnavailable: it does not answer.
        """
        chosen = self.settings.predictions
        if chosen.framing != "confluent":
            return prefixed(chosen.framing, PREDICTION).header
        subject, registry = prediction_subject(self.settings), self._asked()
        if chosen.register_schema:
            number = register(registry, subject, PREDICTION_TEXT, "predictions.subject")
        else:
            found = patiently(lambda: registry.lookup(subject, PREDICTION_TEXT))
            if found is None:
                what = f"the registry does not have the prediction's schema under {subject}"
                raise Misconfigured(
                    [Problem("predictions.register", what, "register schemas/prediction.avsc, or set it to true")]
                )
            number = found.id
        return Confluent(PREDICTION, registry, number).header

    def prediction_framing(self) -> Framing:
        """Return the framing to read predictions with; nothing is registered."""
        chosen = self.settings.predictions.framing
        if chosen == "confluent":
            return Confluent(PREDICTION, self._asked())
        return prefixed(chosen, PREDICTION)

    def registered(self, schema: Schema, header_of: Callable[[object], bytes | None]) -> Framing:
        """Return the framing to read records of another schema with, each by the registered schema that it names.

        Args:
            schema: the reader's.
            header_of: returns the header of a record that may name its schema.
        """
        return Confluent(schema, self._asked(), None, header_of)

    def prefetch(self) -> int:
        """Fetch every version of the events' subjects, so that no event waits for one; return how many there are."""
        if self.settings.events.framing != "confluent":
            return 0
        registry = self._asked()
        return patiently(lambda: registry.prefetch(event_subjects(self.settings)))

    def _number(self) -> int:
        """Return the id of the schema that events are written with."""
        if self.reader is not None:
            return self.reader.id
        path = self.settings.events.schema_path
        assert path is not None  # noqa: S101  the schema is from a file or from the registry
        subject = event_subjects(self.settings)[0]
        return register(self._asked(), subject, path.read_text("utf-8-sig"), "events.schema")

    def _asked(self) -> Registry:
        assert self.registry is not None  # noqa: S101  the settings require one for this framing
        return self.registry


def open_formats(settings: Settings) -> Formats:
    """Read the events' schema, from its file or from the registry.

    Raises:
        Misconfigured: it is not a schema of events, or the registry has none.
        RegistryUnavailable: the registry does not answer.
    """
    registry = Registry(settings.registry) if settings.registry else None
    if settings.events.schema_path is not None:
        return Formats(settings, Schema.load(settings.events.schema_path), registry)
    assert registry is not None  # noqa: S101  the settings require one if there is no file
    subject = event_subjects(settings)[0]
    reader = patiently(lambda: registry.latest(subject))
    if reader is None:
        expected = "register the events' schema under it, set events.subject, or events.schema to a file"
        raise Misconfigured([Problem("events.subject", f"the registry has no subject {subject}", expected)])
    schema = Schema.parse(reader.text, f"{subject} version {reader.version}", reader.references)
    return Formats(settings, schema, registry, reader)


def event_subjects(settings: Settings) -> list[str]:
    """Return the subjects of the events' schemas; the first is the subject of the reader's schema."""
    subject = settings.events.subject
    return [subject] if subject else [f"{topic}-value" for topic in settings.kafka.input_topics]


def prediction_subject(settings: Settings) -> str:
    """Return the subject of the prediction's schema."""
    return settings.predictions.subject or f"{settings.kafka.output_topic}-value"


def register(registry: Registry, subject: str, text: str, where: str) -> int:
    """Register a schema, unless it is registered already, and return its id.

    Raises:
        Misconfigured: the registry refuses it; with its reason.
        RegistryUnavailable: it does not answer.
    """
    try:
        return patiently(lambda: registry.register(subject, text))
    except Refusal as refusal:
        what = f"the registry refuses the schema under {subject}: {refusal}"
        raise Misconfigured(
            [Problem(where, what, "choose another subject, or relax the compatibility of this one")]
        ) from None
