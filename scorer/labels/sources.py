"""Which topics `scorer labels run` reads, and how."""

from collections.abc import Callable

from scorer.avro import SCHEMA_HEADER, Confluent, Framing, Schema, prefixed
from scorer.kafka import header_reader
from scorer.labels.reading import Labels, Predictions, Reading, Segments
from scorer.labels.task import Task
from scorer.labels.topics import required_labels
from scorer.registry import Registry
from scorer.serving.formats import Formats, register
from scorer.settings import LabelSettings, Settings


def readings(
    formats: Formats, settings: LabelSettings, task: Task, answered: Callable[[], None] = lambda: None
) -> dict[str, Reading]:
    """Return the reading of each topic: predictions, labels, and events if segments are fields of events.

    Args:
        formats: the formats of events and predictions.
        settings: the settings of labels.
        task: what the model predicts.
        answered: called after each batch for which the registry had an answer to every question.

    Raises:
        Misconfigured: a field is missing or of a wrong kind.
    """
    chosen, schema = formats.settings, Schema.load(settings.schema_path)
    own = all(field in schema.fields for field in settings.segments)
    found: dict[str, Reading] = {
        chosen.kafka.output_topic: Predictions(formats.prediction_framing(), task),
        settings.topic: Labels(
            settings, schema, label_framing(formats, schema), task, settings.segments if own else ()
        ),
    }
    if not own:
        framing = formats.framing(header_reader(SCHEMA_HEADER), answered)
        events = Segments(formats.schema, framing, settings.segments, chosen.events.id)
        found |= dict.fromkeys(chosen.kafka.input_topics, events)
    return found


def label_framing(formats: Formats, schema: Schema) -> Framing:
    """Return the framing to read labels with.

    Raises:
        Misconfigured: it needs a registry, and there is none.
    """
    settings = formats.settings.labels
    assert settings is not None  # noqa: S101  the caller's condition
    if settings.framing != "confluent":
        return prefixed(settings.framing, schema)
    return formats.registered(schema, header_reader(SCHEMA_HEADER))


def label_header(settings: Settings, schema: Schema) -> bytes:
    """Return the bytes before the body of a label that is written; for a registry the schema is registered.

    Raises:
        Misconfigured: the registry refuses the schema.
        RegistryUnavailable: it does not answer.
    """
    labels = required_labels(settings)
    if labels.framing != "confluent":
        return prefixed(labels.framing, schema).header
    assert settings.registry is not None  # noqa: S101  the settings require one for this framing
    registry, text = Registry(settings.registry), labels.schema_path.read_text("utf-8-sig")
    number = register(registry, f"{labels.topic}-value", text, "labels.schema")
    return Confluent(schema, registry, number).header
