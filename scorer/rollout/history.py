"""The history of a roll-out, and the one order in which every reader of a log accepts its changes."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import Field

from scorer.errors import Misconfigured, Problem
from scorer.rollout.state import Line, Plain, State, StrictForm, fit, read_state

ROLLBACK = "rollback"
_START = ""  # the base of the first change
MOST_REVISIONS = 2**53


@dataclass(frozen=True, slots=True)
class Change:
    """One change of the state.

    id:       names the change; unique.
    base:     the id of the change before it that its author saw; empty if there was none.
    revision: its number, from 1.
    when:     ISO 8601, UTC.
    by:       who made it: a user and a machine, or a guard.
    action:   the command.
    why:      the reason that the author gave; may be empty.
    before:   the state that it replaced.
    after:    the state since.
    """

    id: str
    base: str
    revision: int
    when: str
    by: str
    action: str
    why: str
    before: State
    after: State

    def document(self) -> dict[str, Any]:
        """Return the change as plain values, for YAML and JSON."""
        own = {name: getattr(self, name) for name in ("id", "base", "revision", "when", "by", "action", "why")}
        return own | {"before": self.before.document(), "after": self.after.document()}


@dataclass(frozen=True, slots=True)
class Held:
    """The contents of a home when it was read.

    state:   the current state; None before the first change.
    history: the changes, in order.
    problem: why the newest state cannot be used, for example since a later scorer wrote it; empty if it can be used.
             With a problem, `state` is the last usable one.
    token:   identifies what was read (the content, or the id of the last change), to detect conflicting writes.
    """

    state: State | None = None
    history: tuple[Change, ...] = ()
    problem: str = ""
    token: str = _START

    def next(self, action: str, after: State, before: State, *, by: str, why: str = "") -> Change:
        """Return the change from this to another state.

        Args:
            action: the command.
            after: the new state.
            before: the state that it replaces; without one here, what replicas serve without a state.
            by: who makes it.
            why: the reason, for people.
        """
        last = self.history[-1] if self.history else None
        return Change(
            id=secrets.token_hex(8),
            base=last.id if last else _START,
            revision=last.revision + 1 if last else 1,
            when=datetime.now(UTC).isoformat(timespec="seconds"),
            by=by,
            action=action,
            why=why,
            before=before,
            after=after,
        )


class _ChangeForm(StrictForm):
    id: Line
    base: str = _START
    revision: Annotated[int, Field(ge=0, le=MOST_REVISIONS)]
    when: Line
    by: Line
    action: Line
    why: Plain = ""
    before: dict[str, Any]
    after: dict[str, Any]


def read_change(found: object, where: str) -> Change:
    """Return the change in a document.

    Raises:
        Misconfigured: with everything that is wrong.
    """
    problems: list[Problem] = []
    form = fit(_ChangeForm, found, where, problems)
    if form is None:
        raise Misconfigured(problems)
    own = form.model_dump(exclude={"before", "after"})
    before = read_state(form.before, f"{where}.before")
    return Change(**own, before=before, after=read_state(form.after, f"{where}.after"))


@dataclass(slots=True)
class Log:
    """Follows the changes of one model in a log that several writers append to.

    A change is accepted if its base is the last accepted change. So if two are made at the same time, the first one in
    the log is accepted and the other is not, for every reader and whenever it reads. A change names its base by id, not
    by offset, so that a copy of the log in another cluster has the same meaning.
    """

    model: str
    held: Held = field(default_factory=Held)

    def read(self, value: bytes | None) -> bool:
        """Take the next record of the log; return whether it is a change that counts."""
        document = _parsed(value)
        if document.get("model") != self.model or document.get("base") != self.held.token:
            return False
        name = document.get("id")
        if not isinstance(name, str) or not name:
            return False
        try:
            change = read_change({key: value for key, value in document.items() if key != "model"}, f"change {name}")
        except Misconfigured as error:
            # It counts for all replicas, of which some may be of a version that can read it.
            self.held = Held(self.held.state, self.held.history, str(error).replace("\n", "; "), name)
        else:
            self.held = Held(change.after, (*self.held.history, change), "", name)
        return True

    def record(self, change: Change) -> bytes:
        """Return a change as a record's value."""
        return json.dumps({"model": self.model} | change.document()).encode()


def _parsed(value: bytes | None) -> Mapping[str, Any]:
    try:
        document = json.loads(value or b"")
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
