"""The plan: where each column of the model comes from, as read from the bundle's `plan.yaml`."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path

from scorer.batch import Field
from scorer.documents.files import read_text
from scorer.errors import Misconfigured, Problem
from scorer.plan import form
from scorer.plan.columns import FromEvent, PlanColumn, duplicates, read_columns, unknown_field
from scorer.plan.feast import FeastKey, JoinKey, feature_faults
from scorer.plan.form import EntityForm, FeastForm, Form, column_step, place
from scorer.plan.keys import KeyTemplate


@dataclass(frozen=True, slots=True)
class Entity:
    """An entity that has features, and how they are stored in Redis.

    name:         the name in columns, metrics and predictions.
    key:          builds its key in Redis from the event's fields.
    layout:       `hash` (numbers as text), `packed` (little-endian float32 in the order of `fields`), or `feast` (what
                  Feast's online store holds; the key is a `FeastKey`).
    fields:       the names of its features, distinct and at least one; `view:feature` in layout feast.
    when_missing: `impute` or `dead-letter`; None: the settings decide.
    max_age:      seconds after which it is stale; None: never.
    updated:      the hash field with the Unix seconds of its last change; None without `max_age`, and in layout feast,
                  which has a time for each view.
    """

    name: str
    key: KeyTemplate
    layout: str
    fields: tuple[str, ...]
    when_missing: str | None = None
    max_age: float | None = None
    updated: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """Where each column of the model comes from.

    where:    the plan's file, for errors.
    entities: the entities that the columns use; without entities, Redis is never contacted.
    columns:  the columns in the model's order.
    """

    where: str
    entities: tuple[Entity, ...]
    columns: tuple[PlanColumn, ...]

    @classmethod
    def load(cls, path: Path) -> "Plan":
        """Read a plan file.

        Raises:
            Misconfigured: with all problems of the plan.
        """
        return Draft.load(path).plan()

    @classmethod
    def parse(cls, text: str, where: str) -> "Plan":
        """Parse a plan; `where` is the name of its file for errors.

        Raises:
            Misconfigured: with all problems of the plan.
        """
        return Draft.parse(text, where).plan()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns, in the model's order."""
        return tuple(column.name for column in self.columns)

    @property
    def fields(self) -> set[str]:
        """The event fields whose values are used."""
        values = {part.path for entity in self.entities for part in entity.key.parts if not part.is_text}
        return values | {source.path for _, source in self._from_event() if not source.categories}

    @property
    def texts(self) -> set[str]:
        """The event fields whose text is used, by keys and categories."""
        parts = {part.path for entity in self.entities for part in entity.key.parts if part.is_text}
        return parts | {source.path for _, source in self._from_event() if source.categories}

    def _from_event(self) -> Iterator[tuple[int, FromEvent]]:
        for index, column in enumerate(self.columns):
            if isinstance(column.source, FromEvent):
                yield index, column.source


@dataclass(frozen=True, slots=True)
class Draft:
    """The valid parts of a plan file, which are checked against model and schema even if other parts are wrong.

    where:    the plan's file, for errors.
    entities: the entities without problems of form.
    columns:  the valid columns, with their indexes.
    names:    the names of all columns, in order; empty for a column without a name.
    keys:     the name and key template of all entities with a key.
    events:   the index and path of invalid columns with an event field.
    problems: all problems of the file itself.
    """

    where: str
    entities: tuple[Entity, ...]
    columns: tuple[tuple[int, PlanColumn], ...]
    names: tuple[str, ...]
    keys: tuple[tuple[str, KeyTemplate], ...]
    events: tuple[tuple[int, str], ...]
    problems: tuple[Problem, ...]

    @classmethod
    def load(cls, path: Path) -> "Draft":
        """Read a plan file.

        Raises:
            Misconfigured: it cannot be read, or is not YAML.
        """
        try:
            text = read_text(path)
        except OSError as error:
            raise Misconfigured([Problem(str(path), f"cannot be read: {error.strerror}")]) from None
        except UnicodeDecodeError:
            raise Misconfigured([Problem(str(path), "is not UTF-8", "expected a plan in YAML")]) from None
        return cls.parse(text, str(path))

    @classmethod
    def parse(cls, text: str, where: str) -> "Draft":
        """Parse a plan; `where` is the name of its file for errors.

        Raises:
            Misconfigured: it is not YAML.
        """
        read = form.read(text, where)
        entities, problems = _entities(read, where)
        columns, more = read_columns(read, where)
        keys = [(entity.name, entity.key) for entity in entities]
        for name, template in read.keys:
            try:
                keys.append((name, KeyTemplate.parse(template)))
            except ValueError as error:
                more.append(Problem(place(where, "entities", name, "key"), str(error)))
        names = tuple(name or "" for name, _ in read.columns)
        found = (*read.problems, *problems, *more)
        return cls(where, tuple(entities), tuple(columns), names, tuple(keys), tuple(read.events), found)

    def plan(self) -> Plan:
        """Return the plan.

        Raises:
            Misconfigured: with all problems of the plan.
        """
        if self.problems:
            raise Misconfigured(self.problems)
        return Plan(self.where, self.entities, tuple(column for _, column in self.columns))

    def schema_problems(self, fields: Mapping[str, Field], why_not: Callable[[str], str]) -> list[Problem]:
        """Return where the plan does not match the event schema.

        Args:
            fields: the usable fields of the schema, by dotted path.
            why_not: returns why any other path cannot be used.
        """
        found: list[Problem] = []
        for name, key in self.keys:
            found += key.problems(fields, why_not, place(self.where, "entities", name, "key"))
        found_in_columns = [
            (at, column.source.problems(fields, why_not, self._place(at), numbers=bool(column.numbers)))
            for at, column in self.columns
            if isinstance(column.source, FromEvent)
        ]
        found_in_columns += [
            (at, [unknown_field(self._place(at), path, why_not)]) for at, path in self.events if path not in fields
        ]
        for _, problems in sorted(found_in_columns, key=itemgetter(0)):
            found += problems
        return found

    def _place(self, index: int) -> str:
        return place(self.where, column_step(index, self.names[index]), "event")


def _entities(read: Form, where: str) -> tuple[list[Entity], list[Problem]]:
    entities: list[Entity] = []
    problems: list[Problem] = []
    for name, item in read.entities:
        if item is None:
            continue
        problems += [Problem(place(where, "entities", name, key), *words) for key, *words in _faults(item)]
        try:
            entities.append(_entity(name, item))
        except ValueError as error:
            problems.append(Problem(place(where, "entities", name, "key"), str(error)))
    return entities, problems


def _entity(name: str, item: EntityForm | FeastForm) -> Entity:
    fields = tuple(item.fields)
    if isinstance(item, FeastForm):
        keys = [JoinKey(each, key.type, key.event or each) for each, key in item.key.items()]
        return Entity(name, FeastKey.of(item.project, keys), item.layout, fields, item.when_missing, item.max_age)
    key = KeyTemplate.parse(item.key)
    return Entity(name, key, item.layout, fields, item.when_missing, item.max_age, item.updated)


def _faults(item: EntityForm | FeastForm) -> Iterator[tuple[str, str, str]]:
    """Yield which keys of an entity cannot be combined: the key, what was found, and what was expected."""
    for field in duplicates(item.fields):
        yield "fields", f"duplicate '{field}'", "expected distinct names"
    if isinstance(item, FeastForm):
        yield from feature_faults(item.fields)
        return
    if item.max_age is not None and item.layout != "hash":
        yield (
            "max_age",
            f"cannot be combined with layout {item.layout}",
            "only a hash has a field that says when it was updated",
        )
    if item.max_age is not None and item.updated is None:
        yield "max_age", "needs `updated`", "name the hash field that holds the Unix seconds of the last change"
    if item.updated is not None and item.max_age is None:
        yield "updated", "needs `max_age`", "say after how many seconds the entity is stale"
