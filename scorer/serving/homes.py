"""Opens the home of the roll-out state that the settings choose; without a state, the configured version is served."""

from scorer.errors import Misconfigured, Problem
from scorer.kafka import ControlTopic
from scorer.model import AliasHome, MlflowRepository, chosen_version, file_home, repository_at
from scorer.rollout import Held, Home, State, kind_of_home
from scorer.settings import Settings


def home_of(settings: Settings) -> Home | None:
    """Return the home of the roll-out state, without reading it; None if there is none. The caller closes it."""
    kind, path = kind_of_home(settings), settings.model.path
    if kind == "topic":
        return ControlTopic(settings.kafka, repository_at(path).name)
    if kind == "alias" and isinstance(repository := repository_at(path), MlflowRepository):
        return AliasHome(repository, settings.model.version)
    return file_home(path) if kind == "file" else None


def held_at_start(settings: Settings) -> tuple[Home | None, Held]:
    """Return the home of the roll-out state, if there is one, and what it holds before anything is served.

    Raises:
        Misconfigured: it has no state that this version of scorer can read.
    """
    home = home_of(settings)
    held = home.read() if home else Held()
    if held.problem and held.state is None:
        raise Misconfigured([Problem("model.rollout", held.problem)])
    return home, held


def required_home(settings: Settings) -> Home:
    """Return the home of the roll-out state, for a command that needs one.

    Raises:
        Misconfigured: the settings have none.
    """
    home = home_of(settings)
    if home is None:
        what = "there is no home of a roll-out state"
        raise Misconfigured([Problem("model.rollout", what, "set kafka.control_topic, or model.rollout: file")])
    return home


def current_state(settings: Settings, held: Held) -> State:
    """Return the state that counts: what the home holds, or the configured version alone before the first change.

    Raises:
        Misconfigured: there is no such version, or the newest state needs a later version of scorer.
    """
    if held.problem:
        raise Misconfigured([Problem("model.rollout", held.problem)])
    return held.state or State(champion=repository_at(settings.model.path).resolve(chosen_version(settings)))
