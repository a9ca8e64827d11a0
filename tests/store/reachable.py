"""What stores of the tests have in common, whatever they hold: they answer at once, or not at all."""

from collections.abc import Sequence

from scorer.errors import Unavailable
from scorer.store import Request


class Reachable:
    """A store that answers at once.

    down: whether it cannot answer.
    """

    down = False

    def prefetch(self, requests: Sequence[Request]) -> None:
        """Nothing to do."""

    def arrived(self) -> bool:
        return True

    def ping(self) -> None:
        if self.down:
            raise Unavailable("nobody at home")

    def close(self) -> None:
        self.down = True
