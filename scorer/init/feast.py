"""Finds features that Feast wrote to Redis: its keys contain the join keys and their types.

Feast names the fields of a hash by a hash value of `view:feature`, so a feature is found by the names that it may have:
those of the columns.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod

from scorer.avro import Schema
from scorer.init.features import Holder
from scorer.init.fields import named
from scorer.init.found import Wanted
from scorer.init.names import IDENTIFIERS, is_named, stem, words
from scorer.init.patterns import LOOKED_AT, Pattern
from scorer.init.templates import MOST_COMBINATIONS, Template, Templates, Unresolved
from scorer.init.writing import scalar
from scorer.plan.feast import FeastKey, JoinKey, join_keys_in, kinds_of
from scorer.store.redis.explore import Explorer
from scorer.store.redis.layouts.feast import TIME, field_of
from scorer.store.redis.layouts.feast_values import text_of

JoinKeys = tuple[tuple[str, str], ...]  # the name and the type of each


@dataclass(frozen=True, slots=True)
class FeastTemplate(Template):
    """Join keys, each with the event field that it is made from."""

    project: str = ""
    join_keys: tuple[JoinKey, ...] = ()

    @property
    def text(self) -> str:
        """The join keys in the format of a plan."""
        return "{" + ", ".join(map(_written, self.join_keys)) + "}"

    @property
    def lines(self) -> tuple[str, ...]:
        """The keys of the entity that say what its keys are."""
        return (f"key: {self.text}", f"project: {scalar(self.project)}")

    def _filled(self, texts: Iterable[bytes | None]) -> bytes:
        return FeastKey.of(self.project, self.join_keys).fill(text or b"" for text in texts)


def holders(
    wanted: Sequence[Wanted], keys: Iterable[bytes], schema: Schema, templates: Templates, explorer: Explorer
) -> list[Holder]:
    """Return Feast's hashes that have a feature with the name of a column.

    Args:
        wanted:    the columns of the model.
        keys:      some keys that Feast made.
        schema:    the schema of the events.
        templates: finds the fields of keys.
        explorer:  the explorer of the Redis.
    """
    groups: dict[tuple[str, JoinKeys], list[bytes]] = defaultdict(list)
    for key in keys:
        if (form := join_keys_in(key)) is not None:
            groups[form].append(key)
    projects = {project for project, _ in groups}
    found = []
    for (project, join_keys), some in groups.items():
        pattern = _pattern(wanted, join_keys, some[:: max(1, len(some) // LOOKED_AT)][:LOOKED_AT], explorer)
        if pattern.fields:
            name = "_".join(([project] if len(projects) > 1 else []) + [name for name, _ in join_keys])
            template = _template(pattern, project, join_keys, schema, templates)
            found.append(Holder("_".join(words(name)), template, tuple(pattern.fields), "feast"))
    return found


def _pattern(wanted: Sequence[Wanted], join_keys: JoinKeys, keys: Sequence[bytes], explorer: Explorer) -> Pattern:
    """Return the features in the hashes at some keys whose names columns have."""
    there = dict.fromkeys(name for key in keys for name in explorer.names(key))
    views = [name.removeprefix(TIME.encode()).decode() for name in there if name.startswith(TIME.encode())]
    owners = ["_".join(name for name, _ in join_keys), *(name for name, _ in join_keys)]
    features = dict.fromkeys(
        feature
        for column in wanted
        for view in views
        for name in _names(column.name, [view, *owners])
        if field_of(feature := f"{view}:{name}") in there
    )
    stored = explorer.hashes(keys, [field_of(feature) for feature in features]) if features else []
    texts = zip(*[[text_of(value) if value else "" for value in row] for row in stored], strict=True)
    pieces = tuple(piece for name, _ in join_keys for piece in (f"{name}=", None))
    return Pattern(pieces, kind="hash", values=(), fields=dict(zip(features, map(list, texts), strict=True)))


def _names(column: str, owners: Iterable[str]) -> Iterator[str]:
    """Yield the names that a column's feature may have: its own, and what is left of it without its owner's."""
    yield column
    yield "_".join(words(column))
    for owner in owners:
        for said in {words(owner), stem(owner)}:
            if words(column)[: len(said)] == said and len(words(column)) > len(said):
                yield "_".join(words(column)[len(said) :])


def _template(
    pattern: Pattern, project: str, join_keys: JoinKeys, schema: Schema, templates: Templates
) -> Template | Unresolved:
    options = [
        [JoinKey(name, kind, path) for path, field in schema.fields.items() if field.kind in kinds_of(kind)]
        for name, kind in join_keys
    ]
    told = [_named(name, some, schema) for (name, _), some in zip(join_keys, options, strict=True)]
    whole = [each for each in told if each]
    by_name = _of(pattern, project, whole, "join keys of the same names") if len(whole) == len(told) else None
    few = prod(map(len, options)) <= MOST_COMBINATIONS
    return templates.certain(pattern, by_name, [_of(pattern, project, each) for each in product(*options) if few])


def _of(pattern: Pattern, project: str, join_keys: Sequence[JoinKey], why: str = "") -> FeastTemplate:
    key = FeastKey.of(project, join_keys)
    return FeastTemplate(pattern, key.parts, why, project=project, join_keys=key.join_keys)


def _named(name: str, options: Sequence[JoinKey], schema: Schema) -> JoinKey | None:
    """Return the event field that has the name of a join key, if there is exactly one and its type fits."""
    if set(words(name)) <= IDENTIFIERS:  # says nothing
        return None
    paths = [each.field.path for each in named(name, schema.fields)]
    paths = paths or [path for path in schema.fields if is_named(name, path)]
    fitting = [each for each in options if each.path in paths]
    return fitting[0] if len(fitting) == len(paths) == 1 else None


def _written(each: JoinKey) -> str:
    if each.name == each.path:
        return f"{scalar(each.name)}: {each.type}"
    return f"{scalar(each.name)}: {{type: {each.type}, event: {scalar(each.path)}}}"
