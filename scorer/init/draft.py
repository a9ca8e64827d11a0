"""Drafts a configuration and a plan from a model, a schema, and what Redis and sample events hold."""

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from scorer.avro import Schema
from scorer.errors import Misconfigured, Problem
from scorer.init import planning
from scorer.init.configuration import Known, configuration, topic_name
from scorer.init.decide import decide
from scorer.init.evidence import weigh
from scorer.init.features import Holder
from scorer.init.found import Guess, wanted_columns
from scorer.init.names import words
from scorer.init.samples import Samples
from scorer.init.search import searched
from scorer.model import MODELS, Booster, Bundle, bundle_at, load_booster, misnamed
from scorer.model.saved.contents import MODEL_ENDINGS
from scorer.plan.form import column_step
from scorer.serving.formats import open_formats
from scorer.serving.serving import prepare
from scorer.settings import load

SETTINGS, PLAN = "scorer.yaml", "plan.yaml"


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a draft is made from.

    model:    a file, a bundle, or a folder of versions.
    schema:   a file; None if the schema is in the registry.
    registry: its address; None without one.
    subject:  the subject of the events' schema in the registry.
    redis:    its address; None without one.
    events:   a file of sample events; None without one.
    output:   the folder of the two files.
    """

    model: Path
    schema: Path | None
    registry: str | None
    subject: str | None
    redis: str | None
    events: Path | None
    output: Path


@dataclass(frozen=True, slots=True)
class Draft:
    """The two files, and what was found.

    settings: the text of `scorer.yaml`.
    plan:     the text of `plan.yaml`.
    guesses:  the answer for each column.
    entities: the key template of each entity that a column may use; empty if it is open.
    hints:    what Redis has that may hold the open columns.
    notes:    what the search in Redis left out.
    model:    the model's file.
    """

    settings: str
    plan: str
    guesses: Sequence[Guess]
    entities: dict[str, str]
    hints: Sequence[str]
    notes: Sequence[str]
    model: Path
    _known: Known
    _output: Path

    def write(self) -> None:
        """Write the files; none of them may exist.

        Raises:
            Misconfigured: one exists, or cannot be written.
        """
        refuse_existing(self._output)
        written: list[Path] = []
        try:
            self._output.mkdir(parents=True, exist_ok=True)
            for name, text in ((SETTINGS, self.settings), (PLAN, self.plan)):
                with (self._output / name).open("x", encoding="utf-8") as file:
                    written.append(self._output / name)
                    file.write(text)
        except OSError as error:
            for half in written:
                half.unlink(missing_ok=True)
            raise Misconfigured(
                [Problem("--output", f"{error.filename} cannot be written: {error.strerror}")]
            ) from None

    def problems(self) -> list[Problem]:
        """Return the work that is left in the written files besides the open columns, as a check would report it."""
        bundle = Bundle(self._known.name, "draft", self._output, self.model, self._output / PLAN)
        try:
            settings = load(self._output / SETTINGS, os.environ | self._known.variables).settings
            prepare(settings, bundle, self._known.schema)
        except Misconfigured as error:
            steps = [column_step(at, None) for at, guess in enumerate(self.guesses) if guess.open]
            return [each for each in error.problems if not any(step in each.where for step in steps)]
        return []


def draft(inputs: Inputs) -> Draft:
    """Draft both files; nothing is written.

    Raises:
        Misconfigured: an input is wrong, or a file exists already.
        Unavailable:   Redis or the registry does not answer.
    """
    refuse_existing(inputs.output)
    model = _model_file(inputs.model)
    schema = _schema(inputs)
    samples = Samples.read(inputs.events, schema) if inputs.events else Samples()
    answer = _answered(load_booster(model), schema, inputs.redis, samples)
    guesses, holders, hints = answer.guesses, answer.holders, answer.hints
    known = Known(
        _name(inputs.model, model, schema),
        schema,
        inputs.schema,
        inputs.subject,
        inputs.registry,
        inputs.redis,
        inputs.output,
    )
    return Draft(
        configuration(known),
        planning.plan(guesses, holders, hints),
        guesses,
        {holder.name: planning.template(holder) for holder in holders},
        [hint.what for hint in hints],
        answer.notes,
        model,
        known,
        inputs.output,
    )


def draft_plan(
    booster: Booster, schema: Schema, redis: str | None = None, names: Sequence[str] = ()
) -> tuple[str, Sequence[Guess]]:
    """Draft a plan alone.

    Args:
        booster: the model.
        schema: the schema of the events.
        redis: the address of the Redis with features; None without one.
        names: names for the model's columns, if it has none of its own.

    Returns:
        The text of `plan.yaml`, and the answer for each column.

    Raises:
        Unavailable: Redis does not answer.
    """
    answer = _answered(booster, schema, redis, Samples(), names)
    return planning.plan(answer.guesses, answer.holders, answer.hints), answer.guesses


class _Answer(NamedTuple):
    guesses: Sequence[Guess]
    holders: Sequence[Holder]
    hints: Sequence[planning.Hint]
    notes: Sequence[str]


def _answered(
    booster: Booster, schema: Schema, redis: str | None, samples: Samples, names: Sequence[str] = ()
) -> _Answer:
    wanted = wanted_columns(booster, names)
    with searched(redis, wanted, schema, samples) as found:
        told = decide(wanted, schema.fields, samples, found.holders)
        guesses, packed = weigh(told, booster, schema, samples, found)
    holders, taken = [*found.holders, *packed], [holder.pattern for holder in packed]
    strings = [each for each in found.strings if each not in taken]
    return _Answer(guesses, holders, planning.hints(guesses, holders, strings), found.notes)


def refuse_existing(output: Path) -> None:
    """Refuse to overwrite a file.

    Raises:
        Misconfigured: with each file that exists.
    """
    there = [output / name for name in (SETTINGS, PLAN) if os.path.lexists(output / name)]
    if there:
        todo = "nothing is overwritten: move it, or name another folder with --output"
        raise Misconfigured([Problem(str(file), "exists already", todo) for file in there])


def _model_file(model: Path) -> Path:
    if model.is_dir():
        return bundle_at(model).model_file
    if not model.is_file():
        raise Misconfigured([Problem("--model", f"no file {model}", f"expected a model, {MODEL_ENDINGS}")])
    if model.suffix not in {Path(name).suffix for name in MODELS}:
        raise Misconfigured([Problem("--model", *misnamed(model))])
    return model


def _name(given: Path, file: Path, schema: Schema) -> str:
    """Return a name for the model: that of its folder of versions or of its file, or the record's."""
    if given.is_dir():
        folder = file.parent.absolute()
        return topic_name((folder if folder == given.absolute().parent else folder.parent).name)
    if file.name in MODELS and (file.parent / PLAN).exists():
        return topic_name(file.absolute().parent.parent.name)
    if file.name in MODELS:
        return topic_name("-".join(words(schema.record.name.rpartition(".")[2])))
    return topic_name(file.stem)


def _schema(inputs: Inputs) -> Schema:
    """Read the schema from its file, or from the registry as a replica would, with the login of the environment."""
    if inputs.schema is not None:
        return Schema.load(inputs.schema)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, SETTINGS)
        file.write_text(_STAND_IN)
        overrides = [f"registry.url={inputs.registry}", f"events.subject={inputs.subject}", "events.schema=null"]
        return open_formats(load(file, overrides=overrides).settings).schema


_STAND_IN = """
kafka: {bootstrap_servers: "localhost:9092", group_id: g, input_topics: [i], output_topic: o, dead_letter_topic: d}
events: {framing: confluent}
model: {path: m}
"""
