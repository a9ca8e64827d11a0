"""Which home the settings choose, and the version that a file of the state chooses."""

from pathlib import Path
from typing import Literal

from scorer.errors import Misconfigured, Problem
from scorer.rollout.file import FILE, FileHome
from scorer.rollout.state import State
from scorer.settings import Settings

Kind = Literal["topic", "file", "off"]


def kind_of_home(settings: Settings) -> Kind:
    """Return what `model.rollout` says, or what is there if it says nothing."""
    model = settings.model
    if model.rollout is not None:
        return model.rollout
    if settings.kafka.control_topic is not None:
        return "topic"
    return "file" if isinstance(model.path, Path) and (model.path / FILE).exists() else "off"


def state_in_file(settings: Settings) -> State | None:
    """Return the state in a file; None if the settings choose another home, or there is no state yet.

    A state in a topic is not read here, since that needs Kafka.

    Raises:
        Misconfigured: the file has no valid state.
    """
    path = settings.model.path
    return FileHome(path).read().state if kind_of_home(settings) == "file" and isinstance(path, Path) else None


def chosen_version(settings: Settings) -> str:
    """Return the version to serve: the champion of a state in a file, otherwise the configured one.

    Raises:
        Misconfigured: the file has no valid state, or the champion is an ensemble.
    """
    state = state_in_file(settings)
    if state is None:
        return settings.model.version
    if state.champion in state.ensembles:
        what = f"the champion is the ensemble '{state.champion}', {state.ensembles[state.champion]}"
        raise Misconfigured(
            [Problem("model.rollout", what, "expected one version here: set model.rollout: off, and model.version")]
        )
    return state.champion


def choosing(settings: Settings, version: str) -> Settings:
    """Return the settings with another version of the model, which no roll-out state overrules."""
    model = settings.model.model_copy(update={"version": version, "rollout": "off"})
    return settings.model_copy(update={"model": model})
