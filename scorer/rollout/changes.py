"""The changes of the roll-out state, as pure functions: each returns the next state, or says why there is none."""

from collections.abc import Sequence

from scorer.errors import Misconfigured, Problem
from scorer.rollout.ensembles import Combine, Ensemble
from scorer.rollout.guards import Guards
from scorer.rollout.history import ROLLBACK, Change
from scorer.rollout.state import Canary, Shadow, State, contradictions, fit


def promote(state: State, version: str) -> State:
    """Make a version the champion; it is then no canary and no shadow.

    Raises:
        Misconfigured: it is the champion already.
    """
    if state.champion == version:
        raise _refused("promote", f"version '{version}' is the champion already")
    canaries = tuple(each for each in state.canaries if each.version != version)
    shadows = tuple(each for each in state.shadows if each.version != version)
    return state.model_copy(update={"champion": version, "canaries": canaries, "shadows": shadows})


def canary(state: State, version: str, percent: float, salt: str | None = None) -> State:
    """Give a version a share of the events; another canary keeps its own, and 0 percent withdraws the version.

    Args:
        state: the state to change.
        version: the version.
        percent: its share, in hundredths of a percent.
        salt: decides which keys make up the share; None keeps the one that it has, or takes the version's name. With
            the same salt, a larger share has all the keys of a smaller one.

    Raises:
        Misconfigured: the version is the champion, or the shares exceed 100 percent, or nothing would change.
    """
    present = {each.version: each for each in state.canaries}
    if state.champion == version:
        raise _refused("canary", f"version '{version}' is the champion", "a canary is another version")
    if percent == 0 and version not in present:
        raise _refused("canary", f"version '{version}' is no canary", _names(list(present), "canaries"))
    if percent == 0:
        del present[version]
    else:
        known = present[version].salt if version in present else version
        present[version] = Canary(version=version, percent=percent, salt=salt or known)
    return _changed(state, state.model_copy(update={"canaries": tuple(present.values())}), "canary")


def shadow(state: State, version: str, sample: float) -> State:
    """Let a version score a sample of the batches besides the others; a sample of 0 ends that.

    Args:
        state: the state to change.
        version: the version.
        sample: the share of the batches, 0 to 1.

    Raises:
        Misconfigured: nothing would change.
    """
    present = {each.version: each for each in state.shadows}
    if sample == 0 and version not in present:
        raise _refused("shadow", f"version '{version}' is no shadow", _names(list(present), "shadows"))
    if sample == 0:
        del present[version]
    else:
        present[version] = Shadow(version=version, sample=sample)
    return _changed(state, state.model_copy(update={"shadows": tuple(present.values())}), "shadow")


def guard(state: State, guards: Guards | None) -> State:
    """Set when a canary is withdrawn; None for never.

    Raises:
        Misconfigured: nothing would change.
    """
    return _changed(state, state.model_copy(update={"guards": guards}), "guard")


def ensemble(
    state: State, name: str, versions: Sequence[str], combine: Combine = "mean", weights: Sequence[float] = ()
) -> State:
    """Define an ensemble, which may then have any role. It never changes, so its name in a prediction has one meaning.

    Args:
        state: the state to change.
        name: the ensemble's name.
        versions: the versions whose scores are combined, in this order.
        combine: how; see `Ensemble`.
        weights: the weight of each version; if empty, all count alike.

    Raises:
        Misconfigured: there is one of this name, or the versions and weights are no ensemble.
    """
    if name in state.ensembles:
        what = f"there is an ensemble '{name}' already: {state.ensembles[name]}"
        raise _refused("ensemble", what, "an ensemble does not change: take another name, or --remove it first")
    if name in state.names:
        raise _refused("ensemble", f"'{name}' is the name of a version", "an ensemble needs a name of its own")
    problems: list[Problem] = []
    found = {"versions": list(versions), "combine": combine, "weights": list(weights)}
    made = fit(Ensemble, found, "models ensemble", problems)
    if made is None:
        raise Misconfigured(problems)
    return _changed(state, state.model_copy(update={"ensembles": state.ensembles | {name: made}}), "ensemble")


def disband(state: State, name: str) -> State:
    """Remove an ensemble.

    Raises:
        Misconfigured: there is none of this name, or it has a role.
    """
    if name not in state.ensembles:
        raise _refused("ensemble", f"there is no ensemble '{name}'", _names(list(state.ensembles), "ensembles"))
    if name in state.names:
        raise _refused("ensemble", f"'{name}' scores events: the state is {state}", "withdraw it first")
    left = {key: each for key, each in state.ensembles.items() if key != name}
    return state.model_copy(update={"ensembles": left})


def rollback(state: State, history: Sequence[Change]) -> State:
    """Withdraw all canaries; or if there are none, make the champion before this one the champion again.

    A second rollback goes back one champion further, and never to one that was rolled back.

    Raises:
        Misconfigured: there are no canaries and no earlier champion.
    """
    if state.canaries:
        return state.model_copy(update={"canaries": ()})
    line = champions(history)
    if len(line) < 2:  # noqa: PLR2004  the champion, and one before it
        what = f"there are no canaries, and no champion before version '{state.champion}'"
        raise _refused("rollback", what, "`promote` makes any version the champion")
    return promote(_with_ensemble(state, line[-2], history), line[-2])


def restored(history: Sequence[Change], revision: int) -> State:
    """Return the state after an earlier change; revision 0 is the state before the first change.

    Raises:
        Misconfigured: there is no such revision.
    """
    if history and revision == history[0].revision - 1:
        return history[0].before
    for change in history:
        if change.revision == revision:
            return change.after
    known = f"there are {history[0].revision - 1} to {history[-1].revision}" if history else "there are none yet"
    what = f"no revision {revision}"
    raise _refused("rollback", what, known)


def champions(history: Sequence[Change]) -> list[str]:
    """Return the champions that a rollback would go back through, the current one last."""
    line = [history[0].before.champion] if history else []
    for change in history:
        champion = change.after.champion
        if champion == line[-1]:
            continue
        if change.action == ROLLBACK and champion in line:
            del line[line.index(champion) + 1 :]
        else:
            line.append(champion)
    return line


def _with_ensemble(state: State, champion: str, history: Sequence[Change]) -> State:
    """Return the state with the ensemble that a former champion was, which may have been removed since."""
    states = [each for change in history for each in (change.before, change.after) if each.champion == champion]
    if champion not in states[-1].ensembles:
        return state
    return state.model_copy(update={"ensembles": state.ensembles | {champion: states[-1].ensembles[champion]}})


def _changed(before: State, after: State, action: str) -> State:
    if after == before:
        raise _refused(action, "that is the state already")
    if problems := contradictions(after, f"models {action}"):
        raise Misconfigured(problems)
    return after


def _refused(action: str, what: str, expected: str = "") -> Misconfigured:
    return Misconfigured([Problem(f"models {action}", what, expected)])


def _names(versions: list[str], what: str) -> str:
    return f"{what}: {', '.join(versions)}" if versions else f"there are no {what}"
