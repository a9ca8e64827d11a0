"""The facts that the server's pages show: the model, the served versions, and the health."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from scorer.avro.types.grammar import Array, Type, Union
from scorer.model import Booster
from scorer.monitor import Health, Metrics
from scorer.serving.lineup import Lineup
from scorer.settings import ServeSettings


@dataclass(frozen=True, slots=True)
class Site:
    """The server, for its pages.

    model:   the model's name.
    lineup:  returns the versions that are served.
    health:  the source of /live and /ready.
    metrics: the source of /metrics.
    limits:  the limits on requests.
    environ: the environment variables in which a platform passes its routes to a container.
    """

    model: str
    lineup: Callable[[], Lineup]
    health: Health
    metrics: Metrics
    limits: ServeSettings
    environ: Mapping[str, str]

    @property
    def versions(self) -> dict[str, str]:
        """The version of each arm that is served; the champion is the first."""
        return {serving.version: name for name, serving in self.lineup().roles}

    @property
    def champion(self) -> str:
        """The version of the champion."""
        return self.lineup().champion.version

    @property
    def boosters(self) -> list[Booster]:
        """The models of all versions that are served; the champion's are the first."""
        return [each.booster for _, serving in self.lineup().roles for each in serving.servings]

    @property
    def fields(self) -> frozenset[str]:
        """The names of the fields of an event."""
        return frozenset(member.name for member in self.lineup().champion.schema.record.members)

    @property
    def lists(self) -> frozenset[str]:
        """The names of the fields of an event whose value may be a list."""
        members = self.lineup().champion.schema.record.members
        return frozenset(member.name for member in members if _may_be_list(member.type))

    @property
    def names(self) -> frozenset[str]:
        """The names that a value of a row may have: those of the event's fields and of the champion's columns."""
        return self.fields | set(self.columns)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the champion, in order."""
        return self.lineup().champion.columns


def _may_be_list(kind: Type) -> bool:
    return isinstance(kind, Array) or (isinstance(kind, Union) and any(map(_may_be_list, kind.branches)))
