"""How `scorer tail` shows a record: as a JSON document, and as a line for people."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from rich.text import Text

from scorer.avro import PREDICTION, SCHEMA_HEADER, BadEvent, Framing, Reread, Schema
from scorer.avro.values.instants import format_timestamp
from scorer.errors import Misconfigured, Problem
from scorer.kafka import Record, header_reader
from scorer.kafka.dead_letters.read import MOST, whole_number
from scorer.kafka.writes import PREFIX
from scorer.security.printable import printable, printable_json
from scorer.serving.formats import open_formats
from scorer.settings import Settings

NO_TIMESTAMP = -1  # the timestamp of a record without one
SHOWN_BYTES = 48  # bytes of a value that are shown in hexadecimal

Document = dict[str, Any]


class Unreadable(Document):
    """A record whose value does not decode: why, the record's position, and the value in hexadecimal."""


class View(Protocol):
    """Which topics are read, and how their records are shown."""

    @property
    def topics(self) -> Sequence[str]:
        """The topics to read."""

    def document(self, record: Record) -> Document:
        """Return the record as plain JSON."""

    def line(self, record: Record, document: Document) -> Text:
        """Return the record as one line for people; `document` is what `document()` returned for it."""


class Predictions:
    """Predictions, with the fields of their schema."""

    def __init__(self, settings: Settings) -> None:
        self.topics: Sequence[str] = (settings.kafka.output_topic,)
        self._bodies = Bodies(PREDICTION, open_formats(settings).prediction_framing())

    def document(self, record: Record) -> Document:
        """Return the prediction."""
        return self._bodies.document(record)

    def line(self, record: Record, document: Document) -> Text:
        """Return the time, the event's id, the score and what moved it, missing entities, the model and the source."""
        if isinstance(document, Unreadable):
            return unreadable_line(record, document)
        source = f"{document['source_topic']}-{document['source_partition']}@{document['source_offset']}"
        return line(
            (moment(record), "dim"),
            (document["event_id"], "bold"),
            (score(document["score"]), "cyan"),
            (moved_by(document["explanation"] or []), ""),
            (f"missing {', '.join(document['missing'])}" if document["missing"] else "", "yellow"),
            ("degraded" if document["degraded"] else "", "red"),
            (f"{document['model']} {document['version']} {document['arm']}", "dim"),
            (source, "dim"),
        )


class Shadows(Predictions):
    """Predictions of shadows, which nobody uses.

    Raises:
        Misconfigured: the settings have no topic of them.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        topic = settings.predictions.shadow_topic
        if topic is None:
            what = "predictions.shadow_topic is not set, so there are no predictions of shadows"
            raise Misconfigured([Problem("tail shadows", what, "set it, and create the topic")])
        self.topics = (topic,)


class Events:
    """Events, with the fields of their schema: `scorer produce` accepts the lines of --json."""

    def __init__(self, settings: Settings) -> None:
        self.topics = settings.kafka.input_topics
        self._bodies = _event_bodies(settings)

    def document(self, record: Record) -> Document:
        """Return the event."""
        return self._bodies.document(record)

    def line(self, record: Record, document: Document) -> Text:
        """Return the time, the record's position, its key, and the event."""
        if isinstance(document, Unreadable):
            return unreadable_line(record, document)
        return line(
            (moment(record), "dim"), (place(record), "dim"), (readable(record.key), "bold"), (compact(document), "")
        )


class DeadLetters:
    """Dead letters: the reason, the event's position, and the event itself if it can be decoded."""

    def __init__(self, settings: Settings) -> None:
        self.topics = (settings.kafka.dead_letter_topic,)
        self._bodies = _event_bodies(settings)

    def document(self, record: Record) -> Document:
        """Return the headers of the dead letter, then key, headers and value of the event."""
        headers = {
            name.removeprefix(PREFIX): readable(value) for name, value in record.headers if name.startswith(PREFIX)
        }
        event = self._bodies.document(record)
        unreadable = isinstance(event, Unreadable)
        return {
            **{name: _number(name, text) for name, text in headers.items()},
            "key": readable(record.key),
            "timestamp": moment(record) or None,
            "headers": [[name, readable(value)] for name, value in record.headers if not name.startswith(PREFIX)],
            "event": None if unreadable else event,
            "value": event["value"] if unreadable else None,
        }

    def line(self, record: Record, document: Document) -> Text:
        """Return the time, the reason, the event's position and key, and the event."""
        event = document["event"]
        return line(
            (document.get("time") or moment(record), "dim"),
            (document.get("reason"), "bold red"),
            (document.get("detail"), ""),
            (f"{document.get('topic')}-{document.get('partition')}@{document.get('offset')}", "dim"),
            (document["key"], "bold"),
            (cut(record.value) if event is None else compact(event), "dim"),
        )


VIEWS: Mapping[str, Callable[[Settings], View]] = {
    "predictions": Predictions,
    "shadows": Shadows,
    "dead-letters": DeadLetters,
    "events": Events,
}


class Bodies:
    """Values of one schema and framing, as plain JSON."""

    def __init__(self, schema: Schema, framing: Framing) -> None:
        self._reread = Reread(schema, framing)

    def document(self, record: Record) -> Document:
        """Return a record's value as JSON; or, if it cannot be decoded, why, and the value in hexadecimal."""
        try:
            return self._reread.to_json(record.value or b"", record)
        except BadEvent as error:
            where = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
            value = None if record.value is None else record.value.hex()
            return Unreadable({"unreadable": error.problems[0].what, **where, "value": value})


def _event_bodies(settings: Settings) -> Bodies:
    formats = open_formats(settings)
    return Bodies(formats.schema, formats.framing(header_reader(SCHEMA_HEADER)))


def line(*parts: tuple[object, str]) -> Text:
    """Return the parts that are not empty, each in its style."""
    return Text("  ").join(Text(printable(str(text)), style) for text, style in parts if text)


def unreadable_line(record: Record, document: Document) -> Text:
    """Return a line for a record that cannot be decoded."""
    why = f"unreadable: {document['unreadable']}"
    return line((moment(record), "dim"), (place(record), "dim"), (why, "red"), (cut(record.value), "dim"))


def moment(record: Record) -> str:
    """Return the record's timestamp in ISO 8601, or as a number outside the years 1 to 9999; empty if it has none."""
    if record.timestamp == NO_TIMESTAMP:
        return ""
    return str(format_timestamp(record.timestamp, 1_000, "Z"))


def place(record: Record) -> str:
    """Return the position of a record as TOPIC-PARTITION@OFFSET."""
    return f"{record.topic}-{record.partition}@{record.offset}"


def readable(value: bytes | None) -> str | None:
    """Return UTF-8 text as it is, and other bytes in hexadecimal."""
    if value is None:
        return None
    try:
        return value.decode()
    except UnicodeDecodeError:
        return f"0x{value.hex()}"


def score(value: float | list[float]) -> str:
    """Return a score, or one for each output, with four digits."""
    return ", ".join(f"{each:.4g}" for each in (value if isinstance(value, list) else [value]))


def moved_by(explanation: Sequence[Document]) -> str:
    """Return the columns that moved a score, each with what it added to the margin."""
    return ", ".join(f"{each['column']} {float(each['contribution']):+.2g}" for each in explanation)


def compact(document: Document) -> str:
    """Return JSON on one line."""
    return printable_json(document)


def _number(name: str, text: str | None) -> int | str | None:
    """Return the value of a dead letter's header: a number if it must be one and is, otherwise its text."""
    number = whole_number(text or "", MOST[name]) if name in MOST else None
    return text if number is None else number


def cut(value: bytes | None) -> str:
    """Return the first bytes of a value in hexadecimal, and its length if it is longer."""
    if not value:
        return ""
    return value[:SHOWN_BYTES].hex(" ") + (f" ... ({len(value):,} bytes)" if len(value) > SHOWN_BYTES else "")
