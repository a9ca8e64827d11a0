"""The settings as a list: name, meaning and expected value of each key. Sources, errors and the reference use it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from scorer.settings.groups import Settings
from scorer.settings.kinds import Expects, Unit

Key = tuple[str, ...]
PREFIX = "SCORER_"


class Shape(Enum):
    """How a value is written."""

    GROUP = "group"
    MAP = "map"
    LIST = "list"
    SCALAR = "scalar"


@dataclass(frozen=True, slots=True)
class Setting:
    """One key of the configuration: a setting or a group of them."""

    key: Key
    shape: Shape
    required: bool
    nullable: bool
    default: object
    unit: str
    meaning: str
    expects: str  # the expected value, in plain words

    @property
    def dotted(self) -> str:
        """The key as in the file and in flags."""
        return ".".join(self.key)

    @property
    def variable(self) -> str:
        """The key as an environment variable."""
        return PREFIX + "__".join(self.key).upper()


def _settings_of(key: Key, field: FieldInfo) -> Iterator[Setting]:
    setting, inner = _setting(key, field)
    yield setting
    if inner is not None:
        for name, of_inner in inner.model_fields.items():
            yield from _settings_of((*key, of_inner.alias or name), of_inner)


def _setting(key: Key, field: FieldInfo) -> tuple[Setting, type[BaseModel] | None]:
    kind, extra = _without_null(field.annotation)
    nullable = kind is not field.annotation
    inner = kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None
    metadata = [*field.metadata, *extra]
    default = None if field.is_required() else field.get_default(call_default_factory=True)
    setting = Setting(
        key=key,
        shape=Shape.GROUP if inner else {dict: Shape.MAP, tuple: Shape.LIST}.get(get_origin(kind), Shape.SCALAR),
        required=field.is_required(),
        nullable=nullable,
        default=default,
        unit=next((item.name for item in metadata if isinstance(item, Unit)), ""),
        meaning=(inner.__doc__ if inner else field.description) or "",
        expects=_words(kind, metadata) + (" or null" if nullable else ""),
    )
    return setting, inner


def _without_null(annotation: Any) -> tuple[Any, tuple[Any, ...]]:  # noqa: ANN401  an annotation may be anything
    """Return the annotation of a nullable setting without None, and the metadata of the rest."""
    arguments = get_args(annotation)
    if type(None) not in arguments:
        return annotation, ()
    (kind,) = (argument for argument in arguments if argument is not type(None))
    return (kind.__origin__, kind.__metadata__) if hasattr(kind, "__metadata__") else (kind, ())


def _words(kind: Any, metadata: list[Any]) -> str:  # noqa: ANN401  an annotation may be anything
    said = next((item.words for item in metadata if isinstance(item, Expects)), "")
    if said:
        return said
    if get_origin(kind) is Literal:
        *first, last = get_args(kind)
        return f"{', '.join(first)} or {last}" if first else str(last)
    if kind in {int, float}:
        return ("a whole number" if kind is int else "a number") + _limits(metadata)
    return f"a group with the keys {', '.join(field.alias or name for name, field in kind.model_fields.items())}"


def _limits(metadata: list[Any]) -> str:
    low = next((f" from {item.ge}" for item in metadata if isinstance(item, Ge)), "")
    low = next((f" above {item.gt}" for item in metadata if isinstance(item, Gt)), low)
    return low + next(f" to {item.le}" for item in metadata if isinstance(item, Le))


# What pydantic calls some keys of the file where their default is wrong.
ALIASES = {"schema_path": "schema", "register_schema": "register"}
CATALOGUE: Mapping[Key, Setting] = {
    setting.key: setting for setting in _settings_of((), FieldInfo(annotation=Settings))
}
"""All settings and groups by key, with groups before their members; the first is the root, with the key ()."""
