"""Golden rows: events with their features and expected scores, checked before serving."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, PlainValidator, ValidationError
from pydantic_core import PydanticCustomError

from scorer.documents.faults import Fault, faults
from scorer.documents.files import read_bytes
from scorer.errors import Misconfigured, Problem

MOST_BYTES = 64_000_000  # of a file: tens of thousands of events
_MOST_SCORE = 2**128  # from there on, no float32 can hold it


@dataclass(frozen=True, slots=True)
class Golden:
    """One line of golden.jsonl."""

    event: Mapping[str, object]  # plain JSON, as events are written in JSONL
    features: Mapping[str, Mapping[str, float | None]]  # by entity; an entity not listed is missing, null is absent
    score: float | tuple[float, ...]


def read_golden(file: Path) -> list[Golden]:
    """Read every golden row; blank lines are skipped.

    Raises:
        Misconfigured: if the file cannot be read, or with a problem for each invalid line.
    """
    try:
        lines = read_bytes(file, MOST_BYTES).splitlines()
    except OSError as error:
        raise Misconfigured([Problem(str(file), f"cannot be read: {error.strerror}")]) from error
    rows, problems = [], []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            rows.append(_golden(line))
        except ValueError as error:
            problems.append(Problem(f"{file} line {number}", str(error)))
    if not rows and not problems:
        problems.append(
            Problem(str(file), "has no rows", 'expected lines {"event": {...}, "features": {...}, "score": ...}')
        )
    if problems:
        raise Misconfigured(problems)
    return rows


def _score(value: object) -> float | tuple[float, ...]:
    numbers: list[Any] = value if isinstance(value, list) else [value]
    if not numbers or not all(map(_is_score, numbers)):
        raise PydanticCustomError("score", "expected a number, or a list of one for each class")
    return tuple(map(float, numbers)) if isinstance(value, list) else float(numbers[0])


def _is_score(number: object) -> bool:
    return type(number) is float or (type(number) is int and abs(number) < _MOST_SCORE)


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    event: dict[str, Any]
    features: dict[str, dict[str, float | None] | None] = {}
    score: Annotated[Any, PlainValidator(_score)]


def _golden(line: bytes) -> Golden:
    try:
        form = _Form.model_validate(json.loads(line.decode()))
    except json.JSONDecodeError as error:
        raise ValueError(f"is not JSON at character {error.pos + 1}: {error.msg}") from error
    except RecursionError as error:
        raise ValueError("is nested too deeply") from error
    except ValidationError as error:
        raise ValueError("; ".join(map(_worded, faults(error, _Form)))) from error
    features = {entity: known for entity, known in form.features.items() if known is not None}
    return Golden(form.event, features, form.score)


def _worded(fault: Fault) -> str:
    if fault.missing:
        return f"has no '{fault.missing}'"
    if fault.unknown:
        return f"unknown key '{fault.unknown}'{fault.hint or f'; {fault.expected}'}"
    if not fault.path:
        return f"found {_name(fault.found)}; expected an object with event, features and score"
    return f"'{'.'.join(map(str, fault.path))}' is {_name(fault.found)}; {fault.expected}"


def _name(value: object) -> str:
    return "an array" if isinstance(value, list) else "an object" if isinstance(value, dict) else json.dumps(value)
