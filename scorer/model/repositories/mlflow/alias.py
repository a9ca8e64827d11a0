"""An alias of MLflow as the home of the roll-out state: the version that it names is the champion."""

from scorer.errors import Misconfigured, Problem
from scorer.model.repositories.mlflow.repository import ALIAS, MlflowRepository
from scorer.rollout import Change, Held, Paced, State

_MOVE = "MlflowClient().set_registered_model_alias({name!r}, {alias!r}, {version!r})"


class AliasHome:
    """Follows an alias, which MLflow's own tools move: that is a roll-out. It has no canaries and no history.

    Args:
        repository: the registered model.
        alias: the alias, as `@champion`.
    """

    def __init__(self, repository: MlflowRepository, alias: str) -> None:
        self._repository, self._alias = repository, alias
        self._held, self._paced = Held(), Paced(self._look)

    @property
    def location(self) -> str:
        """The alias, in the words of MLflow."""
        return f"{self._repository.location}{self._alias}"

    def read(self) -> Held:
        """Return the version that the alias names now, as the champion.

        Raises:
            Misconfigured: there is no such alias.
            RepositoryUnavailable: the server does not answer.
        """
        return self._paced.read()

    def wait(self, seconds: float) -> Held:
        """Return the version that the alias names after some seconds.

        Raises:
            ScorerError: see `read`.
        """
        return self._paced.wait(seconds)

    def write(self, change: Change, read: Held) -> None:  # noqa: ARG002  as `Home` has it
        """Refuse, see `refusal`.

        Raises:
            Misconfigured: always.
        """
        raise self.refusal(change.after)

    def refusal(self, after: State | None = None) -> Misconfigured:
        """Return why no command changes the state: MLflow has no request that moves an alias only from where it was.

        Args:
            after: the state that somebody wants; None if it is not known.
        """
        what = f"{self.location} is the roll-out state, and MLflow's own tools move it"
        if after is not None and after != State(champion=after.champion):
            todo = "canaries and shadows need model.rollout: topic, with kafka.control_topic"
        else:
            todo = self.command(after.champion if after else "VERSION")
        return Misconfigured([Problem("model.version", what, todo)])

    def command(self, version: str) -> str:
        """Return the command that moves the alias to a version."""
        named = {"name": self._repository.name, "alias": self._alias.removeprefix(ALIAS), "version": version}
        return f'python -c "from mlflow import MlflowClient; {_MOVE.format(**named)}"'

    def close(self) -> None:
        """Do nothing: no connection stays open."""

    def _look(self) -> Held:
        version = self._repository.resolve(self._alias)
        if self._held.token != version:
            self._held = Held(State(champion=version), token=version)
        return self._held
