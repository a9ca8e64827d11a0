"""The interface of a home: the place where a roll-out state is stored, which replicas follow and commands change."""

from typing import Protocol

from scorer.errors import Fatal
from scorer.rollout.history import Change, Held


class Conflict(Fatal):
    """Somebody else changed the state since it was read; nothing was written."""

    def __init__(self, location: str, now: Held) -> None:
        last = now.history[-1] if now.history else None
        who = f": revision {last.revision} by {last.by} made it {last.after}" if last else ""
        super().__init__(
            f"the roll-out state in {location} was changed at the same time{who}. Nothing was written: look at it with "
            "`scorer models history`, then repeat the command"
        )


class Home(Protocol):
    """The place where the roll-out state of one model is stored. For use by one thread."""

    @property
    def location(self) -> str:
        """Where it is, for people."""

    def read(self) -> Held:
        """Return the current contents of the home.

        Raises:
            Misconfigured: the home cannot be read, or has no valid document.
            Unavailable: its server does not answer.
            Fatal: its server refuses the request.
        """

    def wait(self, seconds: float) -> Held:
        """Return the contents of the home after at most some seconds, or as soon as they change.

        Raises:
            ScorerError: see `read`; a later call tries again.
        """

    def write(self, change: Change, read: Held) -> None:
        """Make a change durable, unless the state is no longer the one that was read.

        Args:
            change: the change, from `Held.next` of what was read.
            read: what `read` returned.

        Raises:
            Conflict: somebody else has changed the state since; nothing was written.
            ScorerError: see `read`, or it cannot be written.
        """

    def close(self) -> None:
        """Close connections."""
