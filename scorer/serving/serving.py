"""Loads a bundle and an event schema, checks them against each other, and makes the parts that score."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import structlog

from scorer.avro import MOST_DIGITS, Decoder, Framing, Schema, Wanted, unframed
from scorer.batch import Kind
from scorer.drift import NUMBER, Baseline, baseline_problems, read_baseline
from scorer.errors import Misconfigured, Problem
from scorer.model import Booster, Bundle, Given, chosen_version, load_booster, repository_at
from scorer.plan import Draft, Entity, FromEvent, Plan
from scorer.scoring import Arm, Explain, Features, Member, Scorer, Watch, unwatched
from scorer.serving.formats import Formats, open_formats
from scorer.settings import Settings
from scorer.store import Cache, Fetch, Lookups, NoStore, Reply, Request, connect

Part = TypeVar("Part")
ARM = "champion"
TEXT_KINDS = frozenset(Kind) - {Kind.BYTES}

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Serving:
    """One version of a model, ready to score events of one schema."""

    settings: Settings
    formats: Formats
    bundle: Bundle
    plan: Plan
    booster: Booster
    baseline: Baseline | None = None

    @property
    def schema(self) -> Schema:
        """The schema of the events, which is the reader's."""
        return self.formats.schema

    @property
    def model(self) -> str:
        """The model's name."""
        return self.bundle.name

    @property
    def version(self) -> str:
        """The version's name."""
        return self.bundle.version

    @property
    def servings(self) -> tuple["Serving", ...]:
        """This version alone; an ensemble has several."""
        return (self,)

    @property
    def looked_up(self) -> tuple[Entity, ...]:
        """The entities that are looked up for events; arrays by entity have this order."""
        return self.plan.entities

    @property
    def outputs(self) -> int:
        """The number of scores per event."""
        return self.booster.classes

    @property
    def compiled(self) -> bool:
        """Whether compiled trees score; otherwise XGBoost does."""
        return self.booster.compiled

    @property
    def concerns(self) -> list[str]:
        """Return warnings: about rounds that score, categories that nothing confirms, and slow explanations."""
        proven = self.bundle.golden_file is not None
        wanted = self.settings.predictions.explain
        slow = self.booster.explainer(wanted.max_bytes).concern if wanted else ""
        return [*self.booster.concerns(_given(self.plan), proven=proven), *filter(None, [slow])]

    @property
    def entities(self) -> tuple[str, ...]:
        """The entities' names, in the order of the plan; arrays by entity have this order."""
        return tuple(entity.name for entity in self.plan.entities)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the model's columns, in order."""
        return tuple(column.name for column in self.plan.columns)

    @property
    def codes(self) -> dict[str, int]:
        """The model's columns, in order, each with the number of its categories, or NUMBER."""
        return codes_of(self.plan)

    @property
    def needed(self) -> tuple[str, ...]:
        """The fields of an event that the plan, the event's id and its time need."""
        return tuple(self.wanted().slots)

    def decoder(
        self,
        framing: Framing | None = None,
        fields: Collection[str] | None = None,
        texts: Collection[str] | None = None,
    ) -> Decoder:
        """Return a decoder of the fields that the plan, the event's id and its time need.

        Args:
            framing: finds the body in each value; by default the value is the body.
            fields: the fields whose values are needed; by default those of this plan.
            texts: the fields whose text is needed; by default those of this plan.
        """
        framing = framing or unframed(self.schema)
        return Decoder(self.wanted(fields, texts), framing, self.settings.events.max_bytes)

    def wanted(self, fields: Collection[str] | None = None, texts: Collection[str] | None = None) -> Wanted:
        """Return the fields that the plan, the event's id and its time need, as the lines of a table.

        Args:
            fields: the fields whose values are needed; by default those of this plan.
            texts: the fields whose text is needed; by default those of this plan.
        """
        return Wanted(
            self.schema,
            self.plan.fields if fields is None else fields,
            self.plan.texts if texts is None else texts,
            self.settings.events.id,
            self.settings.events.time,
        )

    def scorer(self, fetch: Fetch | None, watch: Watch = unwatched, name: str = ARM) -> Scorer:
        """Return a scorer of decoded events.

        Args:
            fetch: looks features up; None if the plan has no entities.
            watch: times the stages.
            name: the name of the arm in predictions.
        """
        return Scorer(self._arm(name), self.features(fetch), self.booster, watch, self.explain())

    def member(self, name: str, *, explained: bool = True) -> Member:
        """Return the version as one of several that score a batch, for which features are looked up together.

        Args:
            name: the name of the arm in predictions.
            explained: explain predictions, if the settings ask for it.
        """
        source, explain = self.bundle.plan_file.read_bytes(), self.explain() if explained else None
        return Member(self._arm(name), self.plan, self.features(_looks_nothing_up), self.booster, source, explain)

    def features(self, fetch: Fetch | None, plan: Plan | None = None) -> Features:
        """Return the part that gives events their features, by the policies of the settings.

        Args:
            fetch: looks features up; None if the plan has no entities.
            plan: the source of each column; by default that of this version.
        """
        policy = self.settings.features
        return Features(
            plan or self.plan,
            self.schema.fields,
            fetch,
            when_missing=policy.when_missing if policy else "impute",
            when_unavailable=policy.when_unavailable if policy else "wait",
        )

    def explain(self) -> Explain | None:
        """Return the function that explains predictions, or None if explanations are off.

        Raises:
            Misconfigured: XGBoost does not explain this kind of model.
        """
        wanted = self.settings.predictions.explain
        if wanted is None:
            return None
        from scorer.scoring.explaining import Explaining  # noqa: PLC0415  loads kernels that scoring does without

        explainer = self.booster.explainer(wanted.max_bytes)
        log.info("explaining predictions", when=str(wanted.when), tables=explainer.path, bytes=explainer.bytes)
        return Explaining(explainer, self.columns, wanted.top, wanted.when).explain

    def _arm(self, name: str) -> Arm:
        return Arm(self.bundle.name, self.bundle.version, name, self.entities)

    def lookups(self, *, cached: bool, entities: Sequence[Entity] | None = None) -> Lookups | None:
        """Return the look-ups by policy, which the caller closes; None if there are no entities.

        Without Kafka and without Redis, features come with the events alone, and every look-up finds nothing.

        Args:
            cached: use the cache, if the settings have one.
            entities: the entities to look up; by default those of the plan.
        """
        policy, entities = self.settings.features, self.plan.entities if entities is None else entities
        if not entities:
            return None
        if policy is None:
            return Lookups(NoStore(), "wait") if self.settings.stream is None else None
        keep = policy.cache if cached else None
        cache = Cache(entities, keep.ttl_ms, keep.max_entries) if keep else None
        return Lookups(connect(policy.url, policy.timeout_ms, policy.read_from), policy.when_unavailable, cache)


def _looks_nothing_up(requests: Sequence[Request], now: float) -> list[Reply]:  # noqa: ARG001  as `Fetch` has it
    """Fail: features are looked up once for all arms."""
    raise AssertionError("features are looked up once for all arms")


def prepare(settings: Settings, bundle: Bundle | None = None, schema: Schema | None = None) -> Serving:
    """Load everything that serving needs, and check the parts against each other.

    Args:
        settings: name the schema and the folder of models.
        bundle: the version to load; by default the champion of a state in a file, or else the configured one.
        schema: the schema of the events; by default the configured one.

    Raises:
        Misconfigured: with every problem of every part.
        RegistryUnavailable: the schema is in the registry, which does not answer.
    """
    problems: list[Problem] = []
    formats = Formats(settings, schema, None) if schema else _collect(problems, lambda: open_formats(settings))
    schema = formats.schema if formats else None
    found = bundle or _collect(problems, lambda: repository_at(settings.model.path).find(chosen_version(settings)))
    draft = found and _collect(problems, lambda: Draft.load(found.plan_file))
    plan = draft and _collect(problems, draft.plan)
    booster = found and _collect(problems, lambda: load_booster(found.model_file, found.rounds))
    if draft and booster and draft.names and all(draft.names):
        problems += booster.problems(draft.names)
    if plan and booster:
        problems += [*booster.category_problems(_given(plan)), *_explain_problems(settings, booster)]
    if schema and draft:
        problems += draft.schema_problems(schema.fields, schema.why_not)
    if schema:
        problems += _event_problems(settings, schema)
    baseline = _collect(problems, lambda: _baseline(found, plan or None, booster or None)) if found else None
    if features := settings.features:  # this parses the address and sends nothing
        _collect(problems, lambda: connect(features.url, features.timeout_ms).close())
    elif draft and draft.keys and settings.stream is not None:
        problems.append(
            Problem("features", "missing", "the plan has entities: set features.url to the address of Redis")
        )
    if problems or not (formats and schema and found and plan and booster):
        raise Misconfigured([*problems, *(_related(schema.concerns, problems) if schema else ())])
    serving = Serving(settings, formats, found, plan, booster, baseline)
    for concern in serving.concerns:
        log.warning("model warning", detail=concern)
    for doubt in schema.concerns:
        log.warning("schema warning", where=doubt.where, what=doubt.what, advice=doubt.expected)
    return serving


def _baseline(bundle: Bundle, plan: Plan | None, booster: Booster | None) -> Baseline | None:
    """Return the baseline of a bundle, if it has one.

    Raises:
        Misconfigured: it is of another plan or model, as far as these are known.
    """
    if bundle.baseline_file is None:
        return None
    baseline = read_baseline(bundle.baseline_file)
    if plan and booster:
        where = str(bundle.baseline_file)
        if problems := baseline_problems(baseline, codes_of(plan), booster.classes, where):
            raise Misconfigured(problems)
    return baseline


def codes_of(plan: Plan) -> dict[str, int]:
    """Return the columns of a plan, in order, each with the number of its categories, or NUMBER."""
    return {column.name: len(column.categories) or NUMBER for column in plan.columns}


def _given(plan: Plan) -> list[Given]:
    """Return the categories of a plan's columns, to be compared with the model's."""
    return [
        Given(column.name, column.categories, computed=not isinstance(column.source, FromEvent))
        for column in plan.columns
    ]


def _explain_problems(settings: Settings, booster: Booster) -> list[Problem]:
    """Return why the model cannot be explained, if the settings ask for that."""
    problems: list[Problem] = []
    if wanted := settings.predictions.explain:
        _collect(problems, lambda: booster.explainer(wanted.max_bytes))
    return problems


def _collect(problems: list[Problem], load: Callable[[], Part]) -> Part | None:
    try:
        return load()
    except Misconfigured as error:
        problems.extend(error.problems)
        return None


def _related(concerns: Iterable[Problem], problems: Iterable[Problem]) -> list[Problem]:
    """Return the schema's warnings about fields that the problems name: they may be the cause."""
    text = " ".join(map(str, problems))
    return [each for each in concerns if each.where.rpartition("field ")[2] in text]


def _event_problems(settings: Settings, schema: Schema) -> list[Problem]:
    problems = []
    for key, path, kinds, expected in (
        ("events.id", settings.events.id, TEXT_KINDS, "a scalar field, whose text identifies the event"),
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
            problems.append(Problem(key, what, f"expected at most {MOST_DIGITS}, since the id is its text"))
    return problems
