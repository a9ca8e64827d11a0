"""The kind of home that the settings choose."""

from pathlib import Path
from typing import Literal

from scorer.rollout.file import FILE
from scorer.settings import Settings

Kind = Literal["topic", "file", "alias", "off"]
_ALIAS = "@"  # the first character of a version that is an alias of MLflow


def kind_of_home(settings: Settings) -> Kind:
    """Return `model.rollout`, or the home that the other settings imply if it is null.

    A version that is an MLflow alias is a home, too: unless the settings name another one, replicas follow the alias.
    """
    model = settings.model
    if model.rollout in {"topic", "file"}:
        return model.rollout
    if model.rollout is None and settings.stream is not None and settings.stream.control_topic is not None:
        return "topic"
    if isinstance(model.path, Path):
        return "file" if model.rollout is None and (model.path / FILE).exists() else "off"
    return "alias" if model.path.startswith("mlflow:") and model.version.startswith(_ALIAS) else "off"


def choosing(settings: Settings, version: str) -> Settings:
    """Return the settings with another version of the model, which no roll-out state overrules."""
    model = settings.model.model_copy(update={"version": version, "rollout": "off"})
    return settings.model_copy(update={"model": model})
