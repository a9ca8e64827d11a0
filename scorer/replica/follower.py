"""Follows the roll-out state while the replica runs: loads new versions beside the loop, which switches when it can."""

import ctypes
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import structlog

from scorer.avro import Framing
from scorer.errors import Misconfigured, Problem, ScorerError
from scorer.model import repository_at
from scorer.replica.pipeline import Core
from scorer.replica.shadows import Outlet, ShadowArm
from scorer.rollout import Held, Home, Shadow, State
from scorer.scoring import Watch
from scorer.serving.ensemble import candidate
from scorer.serving.lineup import Lineup
from scorer.serving.offline import require_golden
from scorer.serving.serving import Serving, prepare

LOOK_SECONDS = 0.5  # the timeout of one wait for a change
TAKE_UP_SECONDS = 0.01  # between two checks whether the loop has switched to a state
RETRY_SECONDS = 5.0  # between two attempts to load a version that cannot be used
WARM_ROWS = (1, 100)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Ready:
    """A state, with the scorer and the shadows that serve it."""

    state: State
    lineup: Lineup
    core: Core
    shadows: tuple[ShadowArm, ...]

    def retire(self, new: "Ready | None" = None) -> None:
        """Close the parts that its successor does not use."""
        if self.core.lookups is not None and (new is None or new.core.lookups is not self.core.lookups):
            self.core.lookups.close()
        for shadow in self.shadows:
            if new is None or shadow not in new.shadows:
                shadow.retire()


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The parts of a replica that the follower uses.

    framing: returns a new framing, which finds the body in each value.
    watch:   times the stages of scoring.
    served:  called with the versions that are served now, on the loop's thread.
    status:  called with the reason why the newest state is not served, or an empty text if it is.
    outlet:  the writer of shadows; None if `predictions.shadow_topic` is not set.
    """

    framing: Callable[[], Framing]
    watch: Watch
    served: Callable[[Lineup], None]
    status: Callable[[str], None]
    outlet: Outlet | None = None


class Follower:
    """Provides the loop with the versions that score the next batch.

    Args:
        first: the version that is served at the start.
        state: the state at the start; its champion is `first`.
        around: the parts of the replica.

    Raises:
        Misconfigured: the champion cannot be served.
    """

    def __init__(self, first: Serving, state: State, around: Surroundings) -> None:
        self._first, self._around, self._framing = first, around, around.framing()
        self._servings = {first.bundle.version: first}
        self._failed: tuple[State, float] | None = None  # the state that cannot be served, and when to try again
        self._unusable: dict[str, str] = {}  # shadows that cannot be used, with the reason
        self._shadows_due = 0.0  # when to try these again
        self._said = ""
        self._pending: Ready | None = None
        self._switched = False  # since memory was last given back
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._ready = self._begin(state)
        around.served(self._ready.lineup)

    def core(self) -> Core:
        """Return the core that scores the next batch, on the loop's thread. It switches to a new state here."""
        if (ready := self._pending) is not None:
            began = time.perf_counter()
            before, self._ready, self._pending = self._ready, ready, None
            before.retire(ready)
            self._around.served(ready.lineup)
            states = {"before": str(before.state), "now": str(ready.state)}
            changed = ready.state != before.state
            del before  # which frees the memory of versions that nothing else uses
            self._switched = True
            if changed:
                log.info("roll-out changed", **states, pause_ms=round(1000 * (time.perf_counter() - began), 3))
        return self._ready.core

    def follow(self, home: Home) -> None:
        """Start to follow a home on its own thread, which closes the home at the end."""
        self._thread = threading.Thread(target=self._run, args=(home,), name="rollout", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop following, and close look-ups and shadows, once the loop has ended."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(4 * LOOK_SECONDS)
        for ready in (self._ready, self._pending):
            if ready is not None:
                ready.retire()
        if self._around.outlet is not None:
            self._around.outlet.writer.close()

    def take(self, held: Held) -> None:
        """Load the versions of a state unless it is served already, and hand them to the loop."""
        if self._switched:
            self._switched = False
            give_back_memory()
        serving = (self._pending or self._ready).state
        if held.problem:
            self._say(f"{held.problem}; still serving {serving}")
        elif held.state is None or held.state == serving:
            self._say("")
            self._retry_shadows()
        elif self._failed is None or self._failed[0] != held.state or time.monotonic() >= self._failed[1]:
            self._change(held.state)

    def _run(self, home: Home) -> None:
        while not self._stopping.is_set():
            try:
                held = home.wait(LOOK_SECONDS)
            except ScorerError as error:
                self._say(f"cannot read {home.location}: {_line(error)}; still serving {self._ready.state}")
                self._stopping.wait(LOOK_SECONDS)
            else:
                self.take(held)
        home.close()

    def _change(self, state: State) -> None:
        while self._pending is not None:  # the loop switches to one state after the other
            if self._stopping.wait(TAKE_UP_SECONDS):
                return
        try:
            ready = self._make(state, self._ready)
        except Exception as error:  # noqa: BLE001  no fault of a new version may end the replica
            self._failed = state, time.monotonic() + RETRY_SECONDS
            self._say(f"cannot serve {state}: {_line(error)}; still serving {self._ready.state}")
            return
        self._failed, self._pending = None, ready
        for version in self._servings.keys() - set(state.versions):
            del self._servings[version]
        self._say("")

    def _retry_shadows(self) -> None:
        """Try again to load the shadows that could not be used, and hand those that can to the loop."""
        ready = self._ready
        lacking = len(ready.shadows) < len(ready.state.shadows)
        if self._pending is not None or not lacking or time.monotonic() < self._shadows_due:
            return
        shadows = tuple(self._shadows(ready.state, ready.shadows))
        if len(shadows) > len(ready.shadows):
            self._pending = replace(ready, shadows=shadows, core=replace(ready.core, shadows=shadows))

    def _say(self, reason: str) -> None:
        if reason != self._said:
            self._said = reason
            if reason:
                log.warning("roll-out state is not served", reason=reason)
            self._around.status(reason)

    def _begin(self, state: State) -> Ready:
        """Prepare the first state, without its canaries if one of them cannot be used."""
        try:
            return self._make(state)
        except Misconfigured as error:
            if not state.canaries:
                raise
            alone = state.model_copy(update={"canaries": ()})
            self._failed = state, time.monotonic() + RETRY_SECONDS
            self._say(f"cannot serve {state}: {_line(error)}; serving {alone}")
            return self._make(alone)

    def _make(self, state: State, before: Ready | None = None) -> Ready:
        """Load, verify and warm up the versions of a state; versions that are served already are kept.

        Raises:
            ScorerError: a version that scores users' events cannot be used.
        """
        names = (state.champion, *(canary.version for canary in state.canaries))
        lineup = Lineup(state, [candidate(state, name, self._load) for name in names])
        if before is not None and before.lineup.entities == lineup.entities:
            lookups = before.core.lookups
        else:
            lookups = lineup.lookups()
        if before is not None and before.lineup.needs == lineup.needs:
            decoder = before.core.decoder
        else:
            decoder = lineup.decoder(self._framing)
        scorer = lineup.scorer(lookups.fetch if lookups else None, self._around.watch)
        shadows = tuple(self._shadows(state, before.shadows if before else ()))
        return Ready(state, lineup, Core(decoder, scorer, lookups, shadows), shadows)

    def _shadows(self, state: State, before: Sequence[ShadowArm]) -> Iterator[ShadowArm]:
        """Yield the shadows of a state, except those that cannot be used: the others do not wait for them."""
        running = {arm.shadow: arm for arm in before}
        for shadow in state.shadows:
            if shadow in running:
                yield running[shadow]
                continue
            try:
                arm = self._shadow(state, shadow)
            except Exception as error:  # noqa: BLE001  no fault of a shadow may keep others from being served
                self._shadows_due = time.monotonic() + RETRY_SECONDS
                if self._unusable.get(shadow.version) != _line(error):
                    log.warning("shadow cannot be used, will retry", version=shadow.version, reason=_line(error))
                self._unusable[shadow.version] = _line(error)
            else:
                if self._unusable.pop(shadow.version, None):
                    log.info("shadow can be used now", version=shadow.version)
                yield arm

    def _shadow(self, state: State, shadow: Shadow) -> ShadowArm:
        if self._around.outlet is None:
            what = "is not set, so a shadow's predictions have no topic"
            raise Misconfigured([Problem("predictions.shadow_topic", what)])
        serving = candidate(state, shadow.version, self._load)
        return ShadowArm(shadow, serving, self._around.framing(), self._around.outlet)

    def _load(self, version: str) -> Serving:
        """Return a version, verified as `scorer check` does: its files, in a child process, and its golden events."""
        known = self._servings.get(version)
        if known is not None:
            return known
        settings, formats = self._first.settings, self._first.formats
        bundle = repository_at(settings.model.path).find(version)
        serving = replace(prepare(settings, bundle, formats.schema), formats=formats)
        require_golden(serving)
        for rows in WARM_ROWS:
            serving.booster.score(np.full((rows, serving.booster.columns), np.nan, np.float32))
        self._servings[version] = serving
        return serving


def give_back_memory() -> None:
    """Return free memory to the system, where the C library can.

    Loading a version takes several times its size for a moment. glibc keeps what a thread has freed in an arena of that
    thread, in pieces: without this, a replica grows by about a model at each reload.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's
    if trim is not None:
        trim(0)


def _line(error: Exception) -> str:
    return "; ".join(str(error).splitlines()) if isinstance(error, ScorerError) else repr(error)
