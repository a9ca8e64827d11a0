"""Recognises Avro's own JSON encoding, which wraps the value of a union in its type, as in {"double": 1.5}."""

from typing import Any

from scorer.avro.types.grammar import Array, Map, Record, Scalar, Type, Union, short
from scorer.avro.values.showing import shown


def unwrapped(kind: Union, value: Any) -> str:  # noqa: ANN401  JSON
    """Return a hint for a value that is wrapped in the name of a branch; empty for other values."""
    if not isinstance(value, dict) or len(value) != 1:
        return ""
    ((name, inner),) = value.items()
    if not any(name in _names(branch) for branch in kind.branches):
        return ""
    return (
        f"expected the value alone, {shown(inner)}: {name!a} around it is Avro's JSON encoding, which"
        " `avro-tools fromjson` converts to a container file (.avro)"
    )


def _names(kind: Type) -> set[str]:
    match kind:
        case Record(name=name) | Scalar(base="enum" | "fixed", name=name):
            return {name, short(name)}
        case Scalar(base=base):
            return {base}
        case Array() | Map() | Union():
            return {type(kind).__name__.lower()}
