"""A case for `scorer init`: what it sees, and the truth."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import redis
import xgboost
import yaml

from scorer.init.found import Guess

Truth = tuple[Any, ...]  # the keys of a column in a plan, with the template of its entity's key

UNKNOWN: Truth = ()  # nothing that init sees tells it


def event(path: str) -> Truth:
    return "event", path


def part(path: str, name: str) -> Truth:
    return "part", path, name


def category(path: str, *categories: str | int) -> Truth:
    return "category", path, categories


def feature(key: str, name: str) -> Truth:
    return "feature", key, name


def formula(text: str) -> Truth:
    return "formula", text


@dataclass(frozen=True)
class Case:
    """What a user has.

    name:     of the case.
    model:    the file of the model.
    schema:   the event's schema.
    truth:    where each column comes from.
    hashes:   what Redis has, by key.
    strings:  the same.
    events:   sample events, as a line of JSON each.
    subject:  of the schema, if it is in a registry.
    """

    name: str
    model: Path
    schema: Any
    truth: Mapping[str, Truth]
    hashes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    strings: Mapping[str, bytes] = field(default_factory=dict)
    events: Sequence[Mapping[str, Any]] = ()
    subject: str | None = None

    @property
    def known(self) -> int:
        """How many columns can be known."""
        return sum(bool(each) for each in self.truth.values())

    def fill(self, url: str) -> None:
        """Put everything into an empty Redis."""
        with redis.Redis.from_url(url) as client:
            client.flushall()
            pipeline = client.pipeline()
            for key, fields in self.hashes.items():
                pipeline.hset(key, mapping=dict(fields))
            for key, value in self.strings.items():
                pipeline.set(key, value)
            pipeline.execute()

    def options(self, folder: Path, url: str | None, *, samples: bool = True) -> list[str]:
        """Write the files; return the options of the command, all but those of a registry."""
        options = ["--model", str(self.model), "--output", str(folder / "draft")]
        if self.subject is None:
            (folder / "event.avsc").write_text(json.dumps(self.schema))
            options += ["--schema", str(folder / "event.avsc")]
        if url is not None:
            options += ["--redis", url]
        if samples and self.events:
            (folder / "events.jsonl").write_text("".join(json.dumps(each) + "\n" for each in self.events))
            options += ["--events", str(folder / "events.jsonl")]
        return options


@dataclass(frozen=True)
class Mark:
    """How a draft did: how many columns are right, open and wrong, and which are wrong."""

    right: int
    open: int
    wrong: tuple[str, ...]


def mark(case: Case, plan: Path, opened: set[str]) -> Mark:
    """Compare a drafted plan with the truth.

    Args:
        case:   with the truth.
        plan:   the file.
        opened: the columns that the command called open.
    """
    document = yaml.safe_load(plan.read_text())
    entities = {name: entity["key"] for name, entity in (document.get("entities") or {}).items()}
    columns = {each["name"]: each for each in document["columns"]}
    assert list(columns) == list(case.truth), "the columns of the model, in its order"
    placed = {name: _truth(each, entities) for name, each in columns.items() if name not in opened}
    wrong = tuple(
        f"{name}: {is_!r}, not {case.truth[name]!r}" for name, is_ in placed.items() if is_ != case.truth[name]
    )
    return Mark(len(placed) - len(wrong), len(opened), wrong)


def _truth(column: Mapping[str, Any], entities: Mapping[str, str]) -> Truth:
    if "entity" in column:
        return feature(entities[column["entity"]], column["field"])
    if "part" in column:
        return part(column["event"], column["part"])
    if "categories" in column:
        return category(column["event"], *column["categories"])
    if "expression" in column:
        return formula(column["expression"])
    return event(column["event"])


def train(file: Path, columns: Mapping[str, Any], seed: int = 0) -> Path:
    """Train a model that uses every column, on values like those of the events."""
    frame = pd.DataFrame({name: _loose(values) for name, values in columns.items()})
    rng = np.random.default_rng(seed)
    codes = frame.apply(lambda each: each.cat.codes if isinstance(each.dtype, pd.CategoricalDtype) else each)
    values = codes.astype(float).rank(pct=True)
    label = (values.to_numpy() * rng.normal(size=values.shape[1])).sum(axis=1) + rng.normal(0, 0.05, len(frame)) > 0
    matrix = xgboost.DMatrix(frame, label.astype(float), enable_categorical=True)
    parameters = {"objective": "binary:logistic", "max_depth": 4, "colsample_bynode": 0.3, "seed": seed, "nthread": 1}
    xgboost.train(parameters, matrix, 40).save_model(file)
    return file


def _loose(values: Any) -> Any:
    """Return values without an index, which pandas would align them by."""
    return values if isinstance(getattr(values, "dtype", None), pd.CategoricalDtype) else np.asarray(values)


def texts(rng: np.random.Generator, values: Sequence[str], rows: int) -> pd.Series:
    """Random categories, whose order is that of `values`."""
    return pd.Series(pd.Categorical(rng.choice(values, rows), categories=values))


def guessed(guesses: Sequence[Guess]) -> dict[str, str]:
    """Return what each column has: its source as text, or `open`."""
    return {guess.wanted.name: "open" if guess.open else str(guess.source) for guess in guesses}
