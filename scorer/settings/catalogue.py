"""The settings as a list: name, meaning and expected value of each key. Sources, errors and the reference use it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from functools import cache
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from scorer.settings.groups import Settings
from scorer.settings.kinds import Expects, Secret, Unit, is_name

Key = tuple[str, ...]
PREFIX = "SCORER_"
NAME = "NAME"  # in the keys of the catalogue, where the user's keys have a name of the user's choice


class Shape(Enum):
    """How a value is written."""

    GROUP = "group"
    GROUPS = "map of groups"
    MAP = "map"
    LIST = "list"
    SCALAR = "scalar"


@dataclass(frozen=True, slots=True)
class Setting:
    """One key of the configuration: a setting, a group of them, or a map from the user's names to such groups."""

    key: Key
    shape: Shape
    required: bool
    nullable: bool
    default: object
    unit: str
    meaning: str
    expects: str  # the expected value, in plain words
    secret: Secret | None  # which part of the value is never shown

    @property
    def dotted(self) -> str:
        """The key as in the file and in flags."""
        return ".".join(self.key)

    @property
    def variable(self) -> str:
        """The key as an environment variable."""
        return PREFIX + "__".join(self.key).upper()

    def named_as(self, key: Key) -> "Setting":
        """Return the setting with the names that a user's key has, as far as the two are in the same groups."""
        own = list(self.key)
        for at, (step, given) in enumerate(zip(self.key, key, strict=False)):
            if step == NAME and is_name(given):
                own[at] = given
            elif step != given:
                break
        return replace(self, key=tuple(own))


class Catalogue(Mapping[Key, Setting]):
    """All settings and groups of a form by key, with groups before their members; the first is the root, with key ().

    Where a user's key has a name of the user's choice, its key here has NAME.
    """

    def __init__(self, form: type[BaseModel]) -> None:
        self._settings: dict[Key, Setting] = {}
        self._fields: dict[Key, str] = {}  # the last step of a key, by the key with the field's own name instead
        self._add((), FieldInfo(annotation=form))

    def __getitem__(self, key: Key) -> Setting:
        return self._settings[key]

    def __iter__(self) -> Iterator[Key]:
        return iter(self._settings)

    def __len__(self) -> int:
        return len(self._settings)

    def find(self, key: Key) -> Setting | None:
        """Return the setting that has a user's key; None if there is none."""
        found = self.around(key)
        return found if found.key == key else None

    def around(self, key: Key) -> Setting:
        """Return the innermost setting or group that a user's key leads to or into.

        A step may also be the own name of a field that has an alias: pydantic's errors about defaults use that.
        """
        own: Key = ()
        generic: Key = ()
        for step in key:
            if self[generic].shape is not Shape.GROUPS:
                own_step = generic_step = self._fields.get((*generic, step), step)
            elif is_name(step):
                own_step, generic_step = step, NAME
            else:
                break
            if (*generic, generic_step) not in self:
                break
            own, generic = (*own, own_step), (*generic, generic_step)
        return replace(self[generic], key=own)

    def beside(self, key: Key) -> list[Setting]:
        """Return all settings and groups that a user may have meant by a wrong key, with the names in that key."""
        return [setting.named_as(key) for setting in self.values() if setting.key]

    def _add(self, key: Key, field: FieldInfo) -> None:
        setting, inner = _setting(key, field)
        self._settings[key] = setting
        if inner is None:
            return
        if setting.shape is Shape.GROUPS:
            self._add((*key, NAME), FieldInfo(annotation=inner))
            return
        for name, of_inner in inner.model_fields.items():
            step = of_inner.alias or name
            self._fields[*key, name] = step
            self._add((*key, step), of_inner)


def _setting(key: Key, field: FieldInfo) -> tuple[Setting, type[BaseModel] | None]:
    """Return a setting, and the form of its group or groups."""
    kind, extra = _without_null(field.annotation)
    shape, inner = _shape(kind)
    nullable = kind is not field.annotation
    metadata = [*field.metadata, *extra]
    setting = Setting(
        key=key,
        shape=shape,
        required=field.is_required(),
        nullable=nullable,
        default=None if field.is_required() else field.get_default(call_default_factory=True),
        unit=next((item.name for item in metadata if isinstance(item, Unit)), ""),
        meaning=(inner.__doc__ if inner and shape is Shape.GROUP else field.description) or "",
        expects=_words(kind, inner, metadata) + (" or null" if nullable else ""),
        secret=next((item for item in metadata if isinstance(item, Secret)), None),
    )
    return setting, inner


def _shape(kind: Any) -> tuple[Shape, type[BaseModel] | None]:  # noqa: ANN401  an annotation may be anything
    """Return the shape of a type, and the form of its group or groups."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return Shape.GROUP, kind
    if get_origin(kind) is dict:
        _, value = get_args(kind)
        is_group = isinstance(value, type) and issubclass(value, BaseModel)
        return (Shape.GROUPS, value) if is_group else (Shape.MAP, None)
    return Shape.LIST if get_origin(kind) is tuple else Shape.SCALAR, None


def _without_null(annotation: Any) -> tuple[Any, tuple[Any, ...]]:  # noqa: ANN401  an annotation may be anything
    """Return the annotation of a nullable setting without None, and the metadata of the rest."""
    arguments = get_args(annotation)
    if type(None) not in arguments:
        return annotation, ()
    (kind,) = (argument for argument in arguments if argument is not type(None))
    return (kind.__origin__, kind.__metadata__) if hasattr(kind, "__metadata__") else (kind, ())


def _words(kind: Any, inner: type[BaseModel] | None, metadata: list[Any]) -> str:  # noqa: ANN401  see above
    said = next((item.words for item in metadata if isinstance(item, Expects)), "")
    if said:
        return said
    if inner:
        keys = ", ".join(field.alias or name for name, field in inner.model_fields.items())
        return f"a group with the keys {keys}" if kind is inner else f"a map of names to groups with the keys {keys}"
    if get_origin(kind) is Literal:
        *first, last = get_args(kind)
        return f"{', '.join(first)} or {last}" if first else str(last)
    return ("a whole number" if kind is int else "a number") + _limits(metadata)


def _limits(metadata: list[Any]) -> str:
    low = next((f" from {item.ge}" for item in metadata if isinstance(item, Ge)), "")
    low = next((f" above {item.gt}" for item in metadata if isinstance(item, Gt)), low)
    return low + next(f" to {item.le}" for item in metadata if isinstance(item, Le))


@cache
def catalogue_of(form: type[BaseModel]) -> Catalogue:
    """Return the catalogue of a form."""
    return Catalogue(form)


CATALOGUE = catalogue_of(Settings)
"""The catalogue of the configuration."""
