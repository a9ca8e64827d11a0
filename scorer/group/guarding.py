"""Guards the canaries on its own thread: publishes this replica's sums, and withdraws a bad canary for the group."""

import threading
import time
from collections.abc import Callable
from contextlib import closing
from typing import Protocol

import structlog

from scorer.background import Background
from scorer.errors import ScorerError
from scorer.rollout import Board, Change, Conflict, Decision, Held, Listener, State, Tally, withdrawal

LOOK_SECONDS = 0.2  # the timeout of one poll
TELL_SECONDS = 1.0  # between two records of sums
PATIENCE_SECONDS = 5.0  # the time that the chosen replica has to withdraw a canary, before the others do
RETRY_SECONDS = 5.0  # after the topic could not be read or written
JOIN_SECONDS = 2.0

log = structlog.get_logger()


class GuardLog(Protocol):
    """The log that all replicas read in one order: changes of the state, and the sums of each replica."""

    def listen(self, listener: Listener) -> None:
        """Pass every record to a listener, from the first one on."""

    def read(self) -> Held:
        """Read every record up to the end."""

    def wait(self, seconds: float) -> Held:
        """Read the records that arrive within some seconds."""

    def tell(self, name: str, value: bytes | None) -> None:
        """Write a record that replaces the last one of the same name; None deletes it. It may be lost."""

    def write(self, change: Change, read: Held) -> None:
        """Write a change of the state."""

    def close(self) -> None:
        """Close connections."""


class Guardian(Background):
    """Counts the outcomes of each arm, and withdraws a canary if the sums of all replicas show that it is bad.

    It has its own thread, and its own connection while there is a canary to guard.

    Args:
        opened: opens the log.
        model: the model's name.
        replica: the unique name of this replica.
        withdrawn: called with the guard's name after this replica has withdrawn a canary.
    """

    def __init__(
        self, opened: Callable[[], GuardLog], model: str, replica: str, withdrawn: Callable[[str], None]
    ) -> None:
        self.tally = Tally(replica)
        self._open, self._model, self._withdrawn = opened, model, withdrawn
        self._wanted = False
        super().__init__("guards", JOIN_SECONDS)
        self._awake = threading.Event()
        self._due, self._said = 0.0, ""
        self._seen: tuple[Decision, float] | None = None  # the pending decision, and when it was first seen

    def served(self, state: State) -> None:
        """Note which state is served, on the loop's thread."""
        self._wanted = state.guards is not None and bool(state.canaries)
        self.tally.switch(on=self._wanted)
        self._awake.set()

    def close(self) -> None:
        """Stop."""
        self._stopping.set()
        self._awake.set()
        super().close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._awake.wait()
            self._awake.clear()
            while self._at_work():
                try:
                    with closing(self._open()) as shared:
                        self._guard(shared)
                except ScorerError as error:
                    self._say("; ".join(str(error).splitlines()))
                    self._stopping.wait(RETRY_SECONDS)

    def _at_work(self) -> bool:
        return self._wanted and not self._stopping.is_set()

    def _guard(self, shared: GuardLog) -> None:
        """Guard until there is nothing to guard.

        Raises:
            ScorerError: the log cannot be read or written.
        """
        board = Board(self._model)
        shared.listen(board)
        shared.read()
        while self._at_work():
            if board.guards is not None and (decision := board.decision) is not None:
                self._withdraw(shared, board, decision)
            if board.guards is not None and time.monotonic() >= self._due:
                self._due = time.monotonic() + TELL_SECONDS
                if (sums := self.tally.sums(board, board.guards)) is not None:
                    shared.tell(self.tally.replica, sums.record(self._model))
                    self._say("")
            shared.wait(LOOK_SECONDS)
        shared.tell(self.tally.replica, None)

    def _withdraw(self, shared: GuardLog, board: Board, decision: Decision) -> None:
        """Withdraw a canary if this replica was chosen to, or if the chosen one has not done so in time."""
        if self._seen is None or self._seen[0] != decision:
            self._seen = decision, time.monotonic()
        if decision.replica != self.tally.replica and time.monotonic() - self._seen[1] < PATIENCE_SECONDS:
            return
        change = withdrawal(board.held, decision)
        try:
            shared.write(change, board.held)
        except Conflict:
            log.info("another change came before the withdrawal of a canary", version=decision.version)
            return
        log.warning(
            "canary withdrawn", version=decision.version, guard=decision.verdict.guard, reason=decision.verdict.why
        )
        self._withdrawn(decision.verdict.guard)

    def _say(self, reason: str) -> None:
        if reason != self._said:
            self._said = reason
            if reason:
                log.warning("canaries are not guarded by this replica", reason=reason)
