"""The model that a driver sends to executors: its files, and everything else that the driver loaded."""

import tempfile
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import structlog

import scorer
from scorer.api.source import Named, SchemaSource, not_given, open_source
from scorer.avro import Schema
from scorer.errors import Fatal, Problem
from scorer.model import Bundle, bundle_at
from scorer.monitor import log_to_stderr
from scorer.registered import Registered
from scorer.rollout import Ensemble
from scorer.scoring import BaseScorer
from scorer.security import redaction
from scorer.serving.ensemble import Candidate, EnsembleServing
from scorer.serving.serving import Serving, prepare
from scorer.settings import Settings, secrets_in
from scorer.store import NoStore

Contents = Mapping[str, bytes]  # of the files of a bundle, by their names


class Box(Protocol):
    """A broadcast variable of Spark, which each executor gets once."""

    @property
    def value(self) -> "Parcel":
        """What was sent."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """A model with its settings, without anything that belongs to one process or one machine.

    key:      identifies the parcel; parcels with the same key are equal.
    made_by:  the version of scorer that packed it.
    settings: as the driver loaded them.
    schema:   the schema of the events.
    reader:   the version in the registry that the schema was taken from; None if it is a file.
    model:    the model's name.
    bundles:  the version and the files of each bundle.
    ensemble: the name of an ensemble of the bundles, and how their scores are combined; None for one version.
    stored:   whether features are looked up in Redis.
    """

    key: str
    made_by: str = field(compare=False)
    settings: Settings = field(compare=False)
    schema: Schema = field(compare=False)
    reader: Registered | None = field(compare=False)
    model: str = field(compare=False)
    bundles: tuple[tuple[str, Contents], ...] = field(compare=False)
    ensemble: tuple[str, Ensemble] | None = field(compare=False)
    stored: bool = field(compare=False)


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """A model that is ready to score in a process of an executor."""

    parcel: Parcel
    serving: Candidate
    scorer: BaseScorer


@dataclass(frozen=True, slots=True, eq=False)
class Packed:
    """A model on the driver, and the parcel to send."""

    serving: Candidate
    parcel: Parcel


def missing_features(serving: Candidate, given: Collection[str], *, stored: bool) -> list[Problem]:
    """Return a problem if some entities have no source of features.

    Args:
        serving: has the entities.
        given: the entities whose features stand in the rows.
        stored: whether the others are looked up.
    """
    absent = [each.name for each in serving.looked_up if each.name not in given]
    if stored or not absent:
        return []
    return [not_given(absent, "give them in the rows, or set features.url")]


def pack(
    source: Named | Settings, schema: SchemaSource | None, features: str | None, explain: int | None = None
) -> Packed:
    """Load a model on the driver, and pack it.

    Args:
        source: see `scorer.load`.
        schema: see `scorer.load`.
        features: the URL of a Redis; by default that of the configuration.
        explain: see `scorer.load`.

    Raises:
        Misconfigured: with every problem of the configuration, the model, its plan and the schema.
    """
    serving, lookups = open_source(source, schema, features, explain)
    if lookups is not None:
        lookups.close()
    ensemble = (serving.version, serving.ensemble) if isinstance(serving, EnsembleServing) else None
    bundles = tuple((each.version, _contents(each.bundle)) for each in serving.servings)
    parcel = Parcel(
        uuid.uuid4().hex,
        scorer.__version__,
        serving.settings,
        serving.schema,
        serving.servings[0].formats.reader,
        serving.model,
        bundles,
        ensemble,
        lookups is not None,
    )
    return Packed(serving, parcel)


def opened(box: Box) -> Opened:
    """Return the model of a parcel in this process, which opens it once.

    Raises:
        Misconfigured: a file that the settings name is absent on this machine.
        Fatal: the executor has another version of scorer.
    """
    return _open(box.value)


@lru_cache(maxsize=8)
def _open(parcel: Parcel) -> Opened:
    if parcel.made_by != scorer.__version__:
        what = f"the driver has scorer {parcel.made_by}, and this executor {scorer.__version__}"
        raise Fatal(f"{what}: install the same version on both")
    if not structlog.is_configured():
        log_to_stderr("warning", "text")
    if parcel.settings.features is not None:
        redaction.learn(*secrets_in(("features", "url"), parcel.settings.features.url))
    with tempfile.TemporaryDirectory(prefix="scorer-") as folder:
        servings = [_serving(parcel, Path(folder), *each) for each in parcel.bundles]
        serving = EnsembleServing(*parcel.ensemble, servings) if parcel.ensemble else servings[0]
        lookups = serving.lookups(cached=False) if parcel.stored else None
        return Opened(parcel, serving, serving.scorer((lookups or NoStore()).fetch if serving.looked_up else None))


def _serving(parcel: Parcel, folder: Path, version: str, contents: Contents) -> Serving:
    own = folder / parcel.model / version
    own.mkdir(parents=True)
    for name, content in contents.items():
        (own / name).write_bytes(content)
    return prepare(parcel.settings, bundle_at(own), parcel.schema)


def _contents(bundle: Bundle) -> Contents:
    return {file.name: file.read_bytes() for file in sorted(bundle.folder.iterdir()) if file.is_file()}
