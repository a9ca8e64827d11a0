"""Golden rows: events with their features and expected scores, checked before serving."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from scorer.errors import Misconfigured, Problem, did_you_mean


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
        lines = file.read_bytes().splitlines()
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


def _golden(line: bytes) -> Golden:
    try:
        document = json.loads(line.decode())
    except json.JSONDecodeError as error:
        raise ValueError(f"is not JSON at character {error.pos + 1}: {error.msg}") from error
    if not isinstance(document, dict):
        raise ValueError(f"found {_name(document)}; expected an object with event, features and score")  # noqa: TRY004  of JSON
    known = [field.name for field in fields(Golden)]
    for key in document:
        if key not in known:
            raise ValueError(f"unknown key '{key}'" + (did_you_mean(key, known) or f"; known keys are {known}"))
    for key in ("event", "score"):
        if key not in document:
            raise ValueError(f"has no '{key}'")
    return Golden(
        _object(document["event"], "event"), _features(document.get("features", {})), _score(document["score"])
    )


def _features(value: object) -> dict[str, dict[str, float | None]]:
    return {
        entity: {
            name: None if number is None else _number(number, f"features.{entity}.{name}")
            for name, number in _object(of, f"features.{entity}").items()
        }
        for entity, of in _object(value, "features").items()
        if of is not None
    }


def _score(value: object) -> float | tuple[float, ...]:
    if isinstance(value, list) and value:
        return tuple(_number(item, "score") for item in value)
    return _number(value, "score")


def _number(value: object, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"'{where}' is {_name(value)}; expected a number")  # noqa: TRY004  as every error of a line
    return float(value)


def _object(value: object, where: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise ValueError(f"'{where}' is {_name(value)}; expected an object")  # noqa: TRY004  as every error of a line
    return value


def _name(value: object) -> str:
    return "an array" if isinstance(value, list) else "an object" if isinstance(value, dict) else json.dumps(value)
