"""What a bundle and an event schema become: the parts that score, checked against one another."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

import structlog

from scorer.avro import MOST_DIGITS, Decoder, Schema
from scorer.batch import Kind
from scorer.errors import Misconfigured, Problem
from scorer.features import Cache, Features, Plan, Store, connect
from scorer.model import Booster, Bundle, find_bundle, load_booster
from scorer.settings import Settings

log = structlog.get_logger()

Part = TypeVar("Part")
TEXT_KINDS = frozenset(Kind) - {Kind.BYTES}


@dataclass(frozen=True, slots=True)
class Serving:
    """One version of a model, ready to score events of one schema."""

    settings: Settings
    schema: Schema
    bundle: Bundle
    plan: Plan
    booster: Booster

    @property
    def entities(self) -> tuple[str, ...]:
        """The entities' names, in the order of every array that has a line for each."""
        return tuple(entity.name for entity in self.plan.entities)

    def decoder(self) -> Decoder:
        """Return the decoder of the fields that the plan, the event's id and its time need."""
        events = self.settings.events
        return Decoder(
            self.schema,
            fields=self.plan.fields,
            texts=self.plan.texts,
            framing=events.framing,
            max_bytes=events.max_bytes,
            id_field=events.id,
            time_field=events.time,
        )

    def features(self, store: Store | None, cache: Cache | None = None) -> Features:
        """Return the features of this plan, looked up in a store, which is None where the plan has no entities."""
        policy = self.settings.features
        return Features(
            self.plan,
            self.schema.fields,
            store,
            when_missing=policy.when_missing if policy else "impute",
            when_unavailable=policy.when_unavailable if policy else "wait",
            cache=cache,
        )

    def cache(self) -> Cache | None:
        """Return what keeps answers of the store, where the settings want that."""
        policy = self.settings.features and self.settings.features.cache
        return Cache(self.plan.entities, policy.ttl_ms, policy.max_entries) if policy else None


def prepare(settings: Settings, bundle: Bundle | None = None) -> Serving:
    """Load everything that serving needs and hold each part against the others.

    Args:
        settings: where the schema and the models are.
        bundle: the version to load; by default the configured one.

    Raises:
        Misconfigured: with every problem of every part.
    """
    problems: list[Problem] = []
    schema = _collect(problems, lambda: Schema.load(settings.events.schema_path))
    found = bundle or _collect(problems, lambda: find_bundle(settings.model.path, settings.model.version))
    plan = found and _collect(problems, lambda: Plan.load(found.plan_file))
    booster = found and _collect(problems, lambda: load_booster(found.model_file, probe=not found.verified))
    if plan and booster:
        problems += booster.problems(plan.names)
    if schema and plan:
        problems += plan.problems(schema.fields, schema.why_not)
    if schema:
        problems += _event_problems(settings, schema)
    if features := settings.features:  # its address is read, and nothing is asked yet
        _collect(problems, lambda: connect(features.url, features.timeout_ms).close())
    elif plan and plan.entities:
        problems.append(Problem("features", "left out", "the plan has entities, so say where Redis is: features.url"))
    if problems or not (schema and found and plan and booster):
        raise Misconfigured([*problems, *(_related(schema.concerns, problems) if schema else ())])
    for concern in schema.concerns:
        log.warning("doubtful schema", where=concern.where, what=concern.what, advice=concern.expected)
    return Serving(settings, schema, found, plan, booster)


def _collect(problems: list[Problem], load: Callable[[], Part]) -> Part | None:
    try:
        return load()
    except Misconfigured as error:
        problems.extend(error.problems)
        return None


def _related(concerns: Iterable[Problem], problems: Iterable[Problem]) -> list[Problem]:
    """Return what is hardly meant of the fields that problems name, of which it may be the cause."""
    told = " ".join(map(str, problems))
    return [each for each in concerns if each.where.rpartition("field ")[2] in told]


def _event_problems(settings: Settings, schema: Schema) -> list[Problem]:
    problems = []
    for key, path, kinds, expected in (
        ("events.id", settings.events.id, TEXT_KINDS, "a scalar field, whose text can stand for the event"),
        ("events.time", settings.events.time, {Kind.TIMESTAMP}, "a field of logical type timestamp-millis or -micros"),
    ):
        if path is None:
            continue
        field = schema.fields.get(path)
        if field is None:
            problems.append(Problem(key, schema.why_not(path), f"expected {expected}"))
        elif field.kind not in kinds:
            problems.append(Problem(key, f"'{path}' is of kind {field.kind.name.lower()}", f"expected {expected}"))
        elif schema.scalars[path].precision > MOST_DIGITS:
            what = f"'{path}' is a decimal of up to {schema.scalars[path].precision} digits"
            problems.append(Problem(key, what, f"expected at most {MOST_DIGITS}, for it is made into text"))
    return problems
