"""Loads the parts that score from the caller's source: a configuration, or the folder of a bundle."""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import structlog

from scorer.avro import Schema
from scorer.errors import Misconfigured, Problem
from scorer.model import Bundle, bundle_at
from scorer.monitor import log_to_stderr
from scorer.security import redaction
from scorer.serving.ensemble import Candidate, prepare_champion
from scorer.serving.serving import prepare
from scorer.settings import EventSettings, ExplainSettings, FeatureSettings, ModelSettings, Settings, secrets_in
from scorer.settings import load as load_settings
from scorer.store import Lookups

Named = str | os.PathLike[str]  # a path
SchemaSource = Named | Mapping[str, Any]
FeatureSource = str | Mapping[str, Any]  # a URL, or the features

_SCHEMA = "give schema=, the path of an .avsc file or the schema itself"


def open_source(
    source: Named | Settings, schema: SchemaSource | None, features: FeatureSource | None, explain: int | None
) -> tuple[Candidate, Lookups | None]:
    """Load everything that scoring needs.

    Returns:
        The model, and the reader of its features in Redis; None if they are not read from Redis.

    Raises:
        Misconfigured: with every problem.
    """
    if not structlog.is_configured():
        log_to_stderr("warning", "text")  # by default structlog writes to stdout, which is the program's
    settings, bundle = _settings_of(source, schema)
    policy, from_redis = settings.features or FeatureSettings(), settings.features is not None
    if isinstance(features, str):
        redaction.learn(*secrets_in(("features", "url"), features))
        policy, from_redis = policy.model_copy(update={"url": features}), True
    settings = settings.model_copy(update={"features": policy})
    if explain is not None:
        if explain < 1:
            raise Misconfigured([Problem("explain", f"{explain} columns", "give a number from 1, or None")])
        explained = settings.predictions.model_copy(update={"explain": ExplainSettings(top=explain)})
        settings = settings.model_copy(update={"predictions": explained})
    given = None if schema is None else _schema_of(schema)
    serving = prepare(settings, bundle, given) if bundle else prepare_champion(settings, given)
    return serving, serving.lookups(cached=False) if from_redis and not isinstance(features, Mapping) else None


def not_given(names: Iterable[str], expected: str) -> Problem:
    """Return the problem of a plan whose entities have no source of features.

    Args:
        names: the names of the entities.
        expected: how the caller can give the features.
    """
    return Problem("features", f"not given, and the plan has entities: {', '.join(names)}", expected)


def _settings_of(source: Named | Settings, schema: SchemaSource | None) -> tuple[Settings, Bundle | None]:
    if isinstance(source, Settings):
        return source, None
    path = Path(os.path.abspath(source))  # noqa: PTH100  resolve() follows links; the name given is the model's
    if not path.is_dir():
        return load_settings(path).settings, None
    if schema is None:
        raise Misconfigured([Problem(str(path), "a bundle does not contain the schema of its events", _SCHEMA)])
    bundle = bundle_at(path)
    # The other settings concern a stream, which does not exist here: using them is an error.
    settings = Settings.model_construct(
        events=EventSettings(schema=Path()), features=None, model=ModelSettings(path=bundle.folder.parent)
    )
    return settings, bundle


def _schema_of(schema: SchemaSource) -> Schema:
    if isinstance(schema, Mapping):
        return Schema.parse(json.dumps(schema), "schema")
    return Schema.load(Path(schema))
