"""Which home the settings choose, and the version that a file of the state chooses."""

from pathlib import Path
from typing import Literal

from scorer.rollout.file import FILE, FileHome
from scorer.settings import Settings

Kind = Literal["topic", "file", "off"]


def kind_of_home(settings: Settings) -> Kind:
    """Return what `model.rollout` says, or what is there if it says nothing."""
    model = settings.model
    if model.rollout is not None:
        return model.rollout
    if settings.stream is not None and settings.stream.control_topic is not None:
        return "topic"
    return "file" if isinstance(model.path, Path) and (model.path / FILE).exists() else "off"


def chosen_version(settings: Settings) -> str:
    """Return the version to serve: the champion of a state in a file, otherwise the configured one.

    A state in a topic is not read here, since that needs Kafka.

    Raises:
        Misconfigured: the file has no valid state.
    """
    path = settings.model.path
    state = FileHome(path).read().state if kind_of_home(settings) == "file" and isinstance(path, Path) else None
    return state.champion if state else settings.model.version


def choosing(settings: Settings, version: str) -> Settings:
    """Return the settings with another version of the model."""
    return settings.model_copy(update={"model": settings.model.model_copy(update={"version": version})})
