"""`scorer models guard`: sets when replicas withdraw a canary."""

import argparse
from typing import Any

from scorer.cli.shown.table import in_line
from scorer.errors import Misconfigured, Problem
from scorer.rollout import Guards, State, kind_of_home
from scorer.rollout.state import fit
from scorer.settings import Settings

LIMITS = (
    ("dead_letters", "RATIO", "by how much the canary's ratio of dead letters may exceed the champion's, 0 to 1"),
    ("latency", "TIMES", "how many times the champion's time for an event the canary may take"),
    ("psi", "INDEX", "population stability index of the canary's scores against the champion's"),
)
WINDOW = (
    ("window_events", int, "events of all arms and replicas after which the sums start over"),
    ("window_seconds", float, "seconds after which they start over"),
)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the action."""
    for name, unit, text in LIMITS:
        parser.add_argument(_option(name), type=_limit, default=..., metavar=f"{unit}|off", help=text)
    for name, kind, text in WINDOW:
        parser.add_argument(_option(name), type=kind, metavar="N", help=text)
    parser.add_argument("--least", type=int, metavar="N", help="events of a canary before it is judged")
    parser.add_argument("--off", action="store_true", help="guard nothing")


def given(args: argparse.Namespace) -> bool:
    """Whether anything is to be changed."""
    return bool(args.off or _chosen(args) or _window(args))


def require_topic(settings: Settings) -> None:
    """Make sure that replicas can add up their counts, for which the roll-out state has to be in a topic.

    Raises:
        Misconfigured: it is not in a topic.
    """
    if kind_of_home(settings) != "topic":
        what = "guards need the roll-out state in a topic, where replicas add up what they count"
        raise Misconfigured([Problem("models guard", what, "set kafka.control_topic")])


def chosen(args: argparse.Namespace, now: Guards | None) -> Guards | None:
    """Return the guards that the options ask for; None for none.

    Args:
        args: the options; what they do not name stays, or is the default.
        now: the guards of the state.

    Raises:
        Misconfigured: with every option that is out of range.
    """
    if args.off:
        return None
    document, problems = (now or Guards()).document(), list[Problem]()
    document |= _chosen(args) | {"window": document["window"] | _window(args)}
    guards = fit(Guards, document, "models guard", problems)
    if problems:
        raise Misconfigured(problems)
    return guards


def with_canary(settings: Settings, before: State, after: State, *, guarded: bool) -> State:
    """Return a state with its guards: the first canary gets the default ones if the state is in a topic.

    Args:
        settings: say where the state is kept.
        before: the state without the canary.
        after: the state with it.
        guarded: whether the user wants the canary to be guarded.
    """
    if not guarded:
        return after.model_copy(update={"guards": None})
    begins = kind_of_home(settings) == "topic" and not before.canaries and before.guards is None
    return after.model_copy(update={"guards": Guards()}) if begins else after


def changed(before: Guards | None, after: Guards | None) -> str:
    """Describe the change of the guards, to append to a state; empty without a change."""
    if before == after:
        return ""
    if after is None:
        return ", guards off"
    if before is None and after == Guards():
        return ", default guards"
    old, new = (before.document() if before else {}), after.document()
    return f", guards {in_line({name: value for name, value in new.items() if value != old.get(name, ...)})}"


def _chosen(args: argparse.Namespace) -> dict[str, Any]:
    limits = {name: getattr(args, name) for name, *_ in LIMITS if getattr(args, name) is not ...}
    return limits | ({} if args.least is None else {"least": args.least})


def _window(args: argparse.Namespace) -> dict[str, Any]:
    window = {name.removeprefix("window_"): getattr(args, name) for name, *_ in WINDOW}
    return {name: value for name, value in window.items() if value is not None}


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _limit(text: str) -> float | None:
    if text == "off":
        return None
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number or 'off'") from None
