"""The plan: where each column of the model comes from."""

from dataclasses import dataclass

from scorer.features.keys import KeyTemplate


@dataclass(frozen=True, slots=True)
class Entity:
    """What features belong to, and how its features lie in Redis.

    name:         as columns, metrics and predictions name it.
    key:          how the name of its value in Redis is made of the event's fields.
    layout:       `hash` (numbers as text) or `packed` (little-endian float32 in the order of `fields`).
    fields:       the names of its features, distinct and at least one.
    when_missing: `impute` or `dead-letter`; None: as the settings say.
    max_age:      seconds after which it is stale; None: never.
    updated:      the hash field with the Unix seconds of its last change; None where there is no `max_age`.
    """

    name: str
    key: KeyTemplate
    layout: str
    fields: tuple[str, ...]
    when_missing: str | None = None
    max_age: float | None = None
    updated: str | None = None
