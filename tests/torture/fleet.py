"""The replicas of a run, and the supervisor that restarts them."""

import json
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.delivery.world import PATIENCE_SECONDS, World
from tests.forks import Command, freeze

LEAST, MOST = 2, 3
FAILED_STARTS = 10  # consecutive failures after which a replica counts as broken


@dataclass
class Replica:
    """A replica's process in a slot."""

    slot: str
    process: Command
    log: Path
    frozen: bool = False
    told_to_end: float | None = None  # when
    replaced: bool = True  # by another in its slot, when it has ended

    def said(self) -> list[dict[str, str]]:
        """The complete lines of its log so far."""
        lines = self.log.read_text().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("\n")]

    @property
    def serving(self) -> bool:
        """Whether it is serving."""
        return any(line["event"] == "serving" for line in self.said())

    @property
    def owned(self) -> set[int]:
        """The partitions that it owns, from its log."""
        owned: set[int] = set()
        for line in self.said():
            if line["event"] == "partition assignment changed" and line["partitions"] != "none":
                changed = {int(name.rpartition("-")[2]) for name in line["partitions"].split()}
                owned = owned | changed if line["kind"] == "assigned" else owned - changed
        return owned

    @property
    def dropped(self) -> int:
        """How often it dropped partitions that it had lost."""
        return sum(1 for line in self.said() if line.get("kind") == "lost")

    def freeze(self) -> None:
        """Freeze it with SIGSTOP."""
        freeze(self.process)
        self.frozen = True

    def thaw(self) -> None:
        """Continue it with SIGCONT."""
        self.process.send_signal(signal.SIGCONT)
        self.frozen = False


@dataclass
class Fleet:
    """Slots, each with a replica.

    Args:
        world: where they work.
        named: whether a slot's name is its replicas' `kafka.instance_id`.
        tell: takes what happens, for the journal.
    """

    world: World
    named: bool
    tell: Callable[[str], None]
    replicas: list[Replica] = field(default_factory=list)
    gone: list[Replica] = field(default_factory=list)
    exits: int = 0  # serving replicas that exited by themselves
    refusals: int = 0  # refusals injected so far: the only reason to exit while serving
    _failed_starts: int = 0

    def start(self, slot: str) -> None:
        """Start a replica in a slot."""
        log = f"{slot}-{len(self.gone) + len(self.replicas)}.log"
        names = {"SCORER_KAFKA__INSTANCE_ID": slot} if self.named else {}
        process = self.world.start(log, SCORER_LOG__FORMAT="json", **names)
        self.replicas.append(Replica(slot, process, self.world.folder / log))

    def join(self) -> None:
        """Add a replica in a slot that is free."""
        taken = {replica.slot for replica in self.replicas}
        self.start(next(slot for slot in (f"slot-{number}" for number in range(MOST)) if slot not in taken))

    def kill(self, replica: Replica) -> None:
        """Kill a replica, as in a crash."""
        replica.process.kill()
        assert self._ended(replica) == -signal.SIGKILL

    def stop(self, replica: Replica, *, replaced: bool) -> None:
        """Stop a replica with SIGTERM; `supervise` waits for it."""
        replica.process.send_signal(signal.SIGTERM)
        replica.told_to_end, replica.replaced = time.monotonic(), replaced

    def candidates(self) -> list[Replica]:
        """The running replicas."""
        return [
            replica
            for replica in self.replicas
            if not replica.frozen
            and replica.told_to_end is None
            and replica.process.poll() is None
            and replica.serving
            and replica.owned
        ]

    def supervise(self) -> None:
        """Restart replicas that have ended, if they were stopped or a fault explains it."""
        for replica in list(self.replicas):
            since = replica.told_to_end
            if replica.process.poll() is None:
                assert since is None or time.monotonic() - since < PATIENCE_SECONDS, f"{replica.log.name} does not end"
                continue
            code, words = self._ended(replica), replica.log.read_text()[-1500:]
            # A replica that is not serving yet may not handle signals yet, and has nothing to finish.
            ends = {0} if replica.serving else {0, -signal.SIGTERM}
            if since is None or code not in ends:  # a write may be refused during an orderly stop
                self._excuse(replica, code, words)
            if replica.replaced:
                self.start(replica.slot)
        if all(replica.serving for replica in self.replicas):
            self._failed_starts = 0

    def _excuse(self, replica: Replica, code: int, words: str) -> None:
        """Note that a replica exited by itself, and fail if no fault explains it."""
        name = replica.log.name
        assert code == 1, f"{name} ended with {code}: {words}"
        self.tell(f"{name} ended by itself, and is started again: {words[-200:]}")
        if replica.serving:
            assert self.refusals, f"{name} ended: {words}"
            assert "refused a write" in words, f"{name} ended: {words}"
            self.exits += 1
        else:
            self._failed_starts += 1
            assert self._failed_starts < FAILED_STARTS, f"{name} does not start: {words}"

    def described(self) -> str:
        """Describe the state of each replica, with its last log lines."""
        return "\n".join(
            f"{each.log.name}: frozen {each.frozen}, told to end {each.told_to_end is not None}, owns {each.owned};"
            f" {each.log.read_text()[-1000:]}"
            for each in self.replicas
        )

    @property
    def dropped(self) -> int:
        """How often replicas dropped partitions that they had lost."""
        return sum(replica.dropped for replica in [*self.gone, *self.replicas])

    def _ended(self, replica: Replica) -> int:
        code = replica.process.wait(PATIENCE_SECONDS)
        self.world.replicas.remove(replica.process)
        self.replicas.remove(replica)
        self.gone.append(replica)
        return code
