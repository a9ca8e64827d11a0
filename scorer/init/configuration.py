"""Drafts `scorer.yaml`: what is known from the inputs, and guesses for the rest."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scorer.avro import Schema
from scorer.batch import Kind
from scorer.init import writing
from scorer.init.names import words
from scorer.init.parts import OTHER_MOMENTS
from scorer.init.writing import GUESS, OPEN, block, document, marked
from scorer.settings import secrets_in

_TIMES = ("event_time", "timestamp", "ts", "time", "at")
_TEXTS = frozenset({Kind.TEXT, Kind.INTEGER})


@dataclass(frozen=True, slots=True)
class Known:
    """What the configuration is drafted from.

    name:     the model's name.
    schema:   the schema of the events.
    file:     the schema's file; None if it is in the registry.
    subject:  the schema's subject; None if it is a file.
    registry: the registry's address; None without one.
    redis:    the address of Redis; None without one.
    output:   the folder of the configuration.
    """

    name: str
    schema: Schema
    file: Path | None
    subject: str | None
    registry: str | None
    redis: str | None
    output: Path

    @property
    def variables(self) -> dict[str, str]:
        """The variables that stand for addresses with a password, which the file does not have."""
        given = {"REDIS_URL": ("features.url", self.redis), "REGISTRY_URL": ("registry.url", self.registry)}
        return {
            name: address
            for name, (key, address) in given.items()
            if address is not None and ("@" in address or any(secrets_in(tuple(key.split(".")), address)))
        }


def configuration(known: Known) -> str:
    """Return the text of `scorer.yaml`."""
    record = "-".join(words(known.schema.record.name.rpartition(".")[2])) or "events"
    topic, why = record, "the name of the record; write the topic of the events"
    if known.subject is not None:
        topic = topic_name(known.subject.removesuffix("-value"))
        why = f"the subject is {known.subject}"
    kafka = [
        marked("bootstrap_servers: localhost:9092", GUESS, "a broker on this machine; write yours", "  "),
        marked(f"group_id: {scalar(known.name)}", GUESS, "the name of the model", "  "),
        marked(f"input_topics: [{scalar(topic)}]", GUESS, why, "  "),
        marked(f"output_topic: {scalar(f'{known.name}-predictions')}", GUESS, "the name of the model", "  "),
        marked(f"dead_letter_topic: {scalar(f'{topic}.dead-letters')}", GUESS, "the input topic", "  "),
    ]
    return document(
        [
            [
                "# Drafted by `scorer init`. Confirm each line that says guess, and complete each one that says open.",
                *block("kafka:", kafka),
                *block("events:", _events(known)),
                *block("registry:", _registry(known)),
                *block("features:", _features(known)),
                *block("model:", [f"  path: {scalar(f'models/{known.name}')}  # `scorer models add` makes it"]),
            ]
        ]
    )


def _events(known: Known) -> Iterator[str]:
    if known.file is None:
        yield "  framing: confluent"
        yield f"  subject: {scalar(known.subject or '')}"
    else:
        yield f"  schema: {scalar(os.path.relpath(known.file, known.output))}"
    yield _id(known.schema)
    yield _time(known.schema)


def _id(schema: Schema) -> str:
    record = "_".join(words(schema.record.name.rpartition(".")[2]))
    usual = {("id",), ("event", "id"), (*words(record), "id")}
    found = [
        field.path
        for field in schema.fields.values()
        if field.kind in _TEXTS and not field.nullable and "." not in field.path and words(field.path) in usual
    ]
    if len(found) == 1:
        return marked(f"id: {scalar(found[0])}", GUESS, "the usual name of an id", "  ")
    named = f": {' or '.join(found)}" if found else ""
    return f"  # {OPEN}: id: the field that identifies an event{named}; without it, topic-partition-offset"


def _time(schema: Schema) -> str:
    times = [field.path for field in schema.fields.values() if field.kind is Kind.TIMESTAMP]
    usual = [path for path in times if "_".join(words(path)) in _TIMES]
    if len(times) == 1 and OTHER_MOMENTS.isdisjoint(words(times[0])):
        return marked(f"time: {scalar(times[0])}", GUESS, "the only timestamp of the event", "  ")
    if len(usual) == 1:
        return marked(f"time: {scalar(usual[0])}", GUESS, "the usual name of an event's time", "  ")
    named = f": {' or '.join(times)}" if times else ""
    return f"  # {OPEN}: time: the timestamp of an event{named}; without it, the record's"


def _registry(known: Known) -> Iterator[str]:
    if known.registry is not None:
        yield _address("REGISTRY_URL", known.registry, known)


def _features(known: Known) -> Iterator[str]:
    if known.redis is not None:
        yield _address("REDIS_URL", known.redis, known)


def _address(variable: str, address: str, known: Known) -> str:
    if variable in known.variables:
        return marked(f"url: ${{{variable}}}", OPEN, f"it has a password: set the variable {variable}", "  ")
    return f"  url: {scalar(address)}"


def topic_name(text: str) -> str:
    """Return a text with only those characters that the name of a topic, a group or a model may have."""
    return re.sub(r"[^a-zA-Z0-9._-]+", "-", text).strip("-.")[:200] or "events"


def scalar(text: str) -> str:
    """Return a text as YAML in which no `$` begins the name of a variable."""
    return writing.scalar(text.replace("$", "$$"))
