"""`scorer models promote`, `canary`, `shadow`, `ensemble`, `rollback` and `history`: change the roll-out state."""

import argparse
import getpass
import math
import os
import platform
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import get_args

from scorer import rollout
from scorer.cli.actions import guards
from scorer.cli.shown.answers import Answer, Declare
from scorer.errors import Misconfigured, Problem
from scorer.model import LATEST, AliasHome, repository_at
from scorer.rollout import Combine, Held, State
from scorer.rollout.changes import restored
from scorer.security.printable import printable
from scorer.serving.ensemble import candidate, loader
from scorer.serving.homes import current_state, home_of, required_home
from scorer.serving.offline import require_golden
from scorer.settings import Settings


def arguments(action: Declare) -> None:
    """Declare the actions and their options.

    Args:
        action: declares one action, and returns its parser.
    """
    promote = action("promote", "make a version the champion, which scores every event that no canary scores", _promote)
    canary = action("canary", "let a version score a share of the events", _canary)
    shadow = action("shadow", "let a version score besides the others, to predictions.shadow_topic", _shadow)
    back = action("rollback", "withdraw all canaries; without one, go back to the champion before", _rollback)
    guard = action("guard", "set when a canary is withdrawn by itself, or show it", _guard)
    several = action("ensemble", "let several versions score as one, under a name of its own", _ensemble)
    action("history", "list the changes of the roll-out state, and show what it is now", _history)
    for one in (promote, canary, shadow):
        one.add_argument("version", help="the name of a version or an ensemble")
    canary.add_argument("--percent", required=True, type=_percent, metavar="P", help="its share; 0 withdraws it")
    canary.add_argument("--salt", metavar="TEXT", help="decides which keys make up the share (default: the version)")
    what = "guard no canary: nothing withdraws a bad version by itself"
    canary.add_argument("--no-guards", action="store_true", help=what)
    guards.arguments(guard)
    what = "share of the batches, 0 to 1 (default: 1); 0 ends it"
    shadow.add_argument("--sample", type=_sample, default=1.0, metavar="R", help=what)
    back.add_argument("--to", type=int, metavar="REVISION", help="restore the state after this change; 0: the first")
    several.add_argument("name", help="the ensemble's name, which is no version's")
    several.add_argument("--versions", type=_names, metavar="A,B", help="the versions, in the order of the weights")
    combine = "combine the scores (mean, the default) or their ranks among golden events (rank)"
    several.add_argument("--combine", choices=get_args(Combine), default="mean", help=combine)
    several.add_argument("--weights", type=_weights, default=(), metavar="X,Y", help="one each (default: all alike)")
    several.add_argument("--remove", action="store_true", help="remove an ensemble that scores no events")
    for one in (promote, canary, shadow, back, guard, several):
        one.add_argument("--why", default="", metavar="TEXT", help="the reason, for the history")


def state_now(settings: Settings) -> State:
    """Return the state that counts now; the configured version alone, where there is no home or nothing in it.

    Raises:
        Misconfigured: there is no such version, or the state is not valid.
        ScorerError: the home cannot be read.
    """
    home = home_of(settings)
    if home is None:
        return current_state(settings, Held())
    with closing(home):
        return current_state(settings, home.read())


def _promote(settings: Settings, args: argparse.Namespace) -> Answer:
    def promoted(state: State, held: Held) -> State:
        begins = (
            held.state is None and state.champion == args.version
        )  # the state says for the first time what is served
        return state if begins else rollout.promote(state, args.version)

    return _change(settings, args, promoted, (args.version,))


def _canary(settings: Settings, args: argparse.Namespace) -> Answer:
    added = (args.version,) if args.percent else None

    def with_canary(state: State, _: Held) -> State:
        after = rollout.canary(state, args.version, args.percent, args.salt)
        return guards.with_canary(settings, state, after, guarded=not args.no_guards)

    return _change(settings, args, with_canary, added)


def _guard(settings: Settings, args: argparse.Namespace) -> Answer:
    if not guards.given(args):
        state = state_now(settings)
        facts = {"model": repository_at(settings.model.path).name, "now": str(state)}
        return facts | {"guards": state.guards.document() if state.guards else "off"}
    guards.require_topic(settings)
    return _change(settings, args, lambda state, _: rollout.guard(state, guards.chosen(args, state.guards)))


def _shadow(settings: Settings, args: argparse.Namespace) -> Answer:
    if args.sample and settings.predictions.shadow_topic is None:
        what = "predictions.shadow_topic is not set, so a shadow's predictions have no topic"
        raise Misconfigured([Problem("models shadow", what, "set it, and create the topic")])
    added = (args.version,) if args.sample else None
    return _change(settings, args, lambda state, _: rollout.shadow(state, args.version, args.sample), added)


def _ensemble(settings: Settings, args: argparse.Namespace) -> Answer:
    if args.remove == (args.versions is not None):
        raise Misconfigured([Problem("models ensemble", "expected --versions or --remove", "give one of them")])
    if args.remove:
        return _change(settings, args, lambda state, _: rollout.disband(state, args.name), ())
    if args.name == LATEST or args.name in repository_at(settings.model.path).versions():
        what = f"'{args.name}' is the name of a version"
        raise Misconfigured([Problem("models ensemble", what, "an ensemble needs a name of its own")])

    def made(state: State, _: Held) -> State:
        return rollout.ensemble(state, args.name, args.versions, args.combine, args.weights)

    return _change(settings, args, made, (args.name,))


def _rollback(settings: Settings, args: argparse.Namespace) -> Answer:
    def back(state: State, held: Held) -> State:
        if args.to is None:
            return rollout.rollback(state, held.history)
        return restored(held.history, args.to)

    return _change(settings, args, back)


def _change(
    settings: Settings,
    args: argparse.Namespace,
    change: Callable[[State, Held], State],
    added: Sequence[str] | None = None,
) -> Answer:
    """Change the state, unless somebody else changes it meanwhile.

    Args:
        settings: the settings.
        args: the options, of which the reason is used here.
        change: returns the new state.
        added: the names that get more traffic, which are checked first; None for all that had none.
    """
    with closing(required_home(settings)) as home:
        held = home.read()
        if isinstance(home, AliasHome) and args.action == "rollback":
            raise home.refusal()
        before = _first(settings, args) if held.state is None else current_state(settings, held)
        after = change(before, held)
        for name in sorted({*after.names} - {*before.names}) if added is None else added:
            _check(settings, after, name)
        made = held.next(args.action, after, before, by=_author(), why=printable(args.why))
        home.write(made, held)
        facts = {"model": repository_at(settings.model.path).name, "kept_in": home.location}
        return facts | {"revision": made.revision, "before": str(before), "now": str(after)} | after.document()


def _first(settings: Settings, args: argparse.Namespace) -> State:
    """Return the state that replicas serve before the first change: the configured version alone.

    Raises:
        Misconfigured: the version is `latest`, which may not be the one that replicas loaded when they started.
    """
    repository = repository_at(settings.model.path)
    names = repository.versions()
    if settings.model.version != LATEST or len(names) == 1:
        return State(champion=repository.resolve(settings.model.version))
    if args.action == "promote":
        return State(champion=args.version)
    what = "there is no roll-out state yet, and model.version: latest does not say which version is served now"
    raise Misconfigured([Problem(f"models {args.action}", what, "`scorer models promote` that version first")])


def _history(settings: Settings, _: argparse.Namespace) -> Answer:
    with closing(required_home(settings)) as home:
        held = home.read()
        state = current_state(settings, held)
        changes = [
            {
                "revision": change.revision,
                "when": change.when,
                "by": change.by,
                "action": change.action,
                "from": str(change.before),
                "to": str(change.after) + guards.changed(change.before.guards, change.after.guards),
                "why": change.why,
            }
            for change in held.history
        ]
        facts = {"model": repository_at(settings.model.path).name, "kept_in": home.location}
        moved = {"moved_by": home.command("VERSION")} if isinstance(home, AliasHome) else {}
        return facts | {"now": str(state), "changes": changes} | moved


def _check(settings: Settings, state: State, name: str) -> None:
    """Check a version, or each of an ensemble, as `models verify` does: no replica would take a broken one.

    Raises:
        Misconfigured: with every reason.
    """
    for serving in candidate(state, name, loader(settings)).servings:
        require_golden(serving)


def _author() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user often has no name
        user = str(os.getuid())
    return printable(f"{user}@{platform.node() or 'unknown'}")


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(","))


def _weights(text: str) -> tuple[float, ...]:
    weights = tuple(map(_number, text.split(",")))
    if min(weights) <= 0:
        raise argparse.ArgumentTypeError(f"{text!r}: expected weights above 0")
    return weights


def _percent(text: str) -> float:
    percent = _number(text)
    if not 0 <= percent <= 100 or abs(percent * 100 - round(percent * 100)) > 1e-6:  # noqa: PLR2004  percent
        raise argparse.ArgumentTypeError(f"{text!r} is not a percentage from 0 to 100 with at most two decimals")
    return percent


def _sample(text: str) -> float:
    sample = _number(text)
    if not 0 <= sample <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 1")
    return sample


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
    if not math.isfinite(number):
        raise argparse.ArgumentTypeError(f"{text!r} is not a finite number")
    return number
