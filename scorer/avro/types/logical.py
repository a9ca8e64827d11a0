"""Logical types that a schema declares, and warnings about those that have no effect."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from scorer.avro.types.grammar import Scalar, Type, is_logical, logical_type, without_null

Note = tuple[str, str]  # what was found, and what was probably meant


def effective(kind: Scalar, declared: Mapping[str, Any]) -> tuple[Scalar, Note | None]:
    """Return a scalar with the logical type that its JSON declares, and a warning if that type is ignored."""
    logical, named = logical_type(declared, kind.base, kind.size), declared.get("logicalType")
    if logical == "decimal":
        kind = replace(kind, precision=declared["precision"], scale=declared.get("scale", 0))
    if logical or not is_logical(named):
        return replace(kind, logical=logical), None
    wanted = "; a decimal needs a precision above 0 and a scale up to it" if named == "decimal" else ""
    return kind, (f"the logicalType '{named}' does not go with {kind.base}, and is ignored", f"see Avro's list{wanted}")


def misplaced(field: Mapping[str, Any], kind: Type) -> Note | None:
    """Return a warning if a field has its logical type beside its type, where Avro ignores it."""
    bare, _ = without_null(kind)
    named = field.get("logicalType")
    if not isinstance(bare, Scalar) or bare.logical or not logical_type(field, bare.base, bare.size):
        return None
    inner = {key: field[key] for key in ("logicalType", "precision", "scale") if key in field}
    return (
        f"its logicalType '{named}' is beside its type, where Avro ignores it",
        f"put it inside the type: {json.dumps({'type': bare.base} | inner)}",
    )
