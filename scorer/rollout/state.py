"""The roll-out state: the champion, its canaries and its shadows. It is one small document, and this is its form."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from scorer.documents.faults import faults
from scorer.errors import Misconfigured, Problem
from scorer.rollout.ensembles import Ensemble, ensemble_problems
from scorer.rollout.guards import Guards

HUNDREDTHS = 100  # in a percent
WHOLE = 100 * HUNDREDTHS  # all events, in hundredths of a percent


def _printable(text: str) -> str:
    if not text.isprintable():
        raise PydanticCustomError("printable", "expected printable text on one line")
    return text


def _in_hundredths(percent: float) -> float:
    if round(percent, 2) != percent:
        raise PydanticCustomError("hundredths", "expected at most two decimals")
    return percent


Plain = Annotated[str, AfterValidator(_printable)]
Line = Annotated[str, Field(min_length=1), AfterValidator(_printable)]
Percent = Annotated[float, Field(ge=0.01, le=100, allow_inf_nan=False), AfterValidator(_in_hundredths)]
Sample = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]


class StrictForm(BaseModel):
    """The form of a part of a document: unknown keys and other types are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Canary(StrictForm):
    """A version that scores a share of the events instead of the champion.

    version: the version.
    percent: its share, in hundredths of a percent.
    salt:    decides which keys make up the share.
    """

    version: Line
    percent: Percent
    salt: Line

    @property
    def hundredths(self) -> int:
        """The share in hundredths of a percent, 1 to 10,000."""
        return round(self.percent * HUNDREDTHS)


class Shadow(StrictForm):
    """A version that scores a sample of the events besides the others; its predictions go to a topic of their own.

    version: the version.
    sample:  the share of the batches that it scores, above 0 and at most 1.
    """

    version: Line
    sample: Sample = 1.0


class State(StrictForm):
    """Which version does what. The name of an ensemble may be used like that of a version.

    champion:  the version that scores every event that no canary scores.
    canaries:  in order: an event is offered to the first one first.
    shadows:   in the order in which they were added.
    ensembles: by name; one without a role scores nothing.
    guards:    when a canary is withdrawn; None if never.
    """

    champion: Line
    canaries: tuple[Canary, ...] = ()
    shadows: tuple[Shadow, ...] = ()
    ensembles: dict[str, Ensemble] = {}
    guards: Guards | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Every version and ensemble with a role: the champion, then the canaries, then the shadows."""
        canaries, shadows = [each.version for each in self.canaries], [each.version for each in self.shadows]
        return tuple(dict.fromkeys((self.champion, *canaries, *shadows)))

    @property
    def versions(self) -> tuple[str, ...]:
        """Every version that scores, in the order of `names`; those of an ensemble in its place."""
        return tuple(dict.fromkeys(version for name in self.names for version in self.versions_of(name)))

    def versions_of(self, name: str) -> tuple[str, ...]:
        """Return the versions of an ensemble, or the version of this name."""
        return self.ensembles[name].versions if name in self.ensembles else (name,)

    def __str__(self) -> str:
        """In a few words, such as `2, canary 3 at 1%`."""
        canaries = (f"canary {each.version} at {each.percent:g}%" for each in self.canaries)
        shadows = (f"shadow {each.version} of {each.sample:g}" for each in self.shadows)
        ensembles = (f"ensemble {name}: {each}" for name, each in self.ensembles.items())
        return ", ".join((self.champion, *canaries, *shadows, *ensembles))

    def document(self) -> dict[str, Any]:
        """Return the state as plain values, for YAML and JSON."""
        # Earlier versions of scorer do not know these keys.
        unused = {key for key in ("ensembles", "guards") if not getattr(self, key)}
        return self.model_dump(mode="json", exclude=unused)


AnyForm = TypeVar("AnyForm", bound=BaseModel)


class _Outline(StrictForm):
    champion: Line
    canaries: list[Any] = []
    shadows: list[Any] = []
    guards: Any = None
    ensembles: dict[str, Any] = {}


def read_state(found: object, where: str) -> State:
    """Return the state in a document.

    Args:
        found: the plain values that were read.
        where: the document's name, for errors.

    Raises:
        Misconfigured: with everything that is wrong.
    """
    problems: list[Problem] = []
    outline = fit(_Outline, found, where, problems)
    canaries = _all(Canary, outline.canaries if outline else (), f"{where}: canaries", problems)
    shadows = _all(Shadow, outline.shadows if outline else (), f"{where}: shadows", problems)
    ensembles = _by_name(Ensemble, outline.ensembles if outline else {}, f"{where}: ensembles", problems)
    limits = found.get("guards") if isinstance(found, Mapping) else None
    guards = None if limits is None else fit(Guards, limits, f"{where}: guards", problems)
    if outline and not problems:
        state = State(champion=outline.champion, canaries=canaries, shadows=shadows, ensembles=ensembles, guards=guards)
        problems += contradictions(state, where)
    if problems or outline is None:
        raise Misconfigured(problems)
    return state


def contradictions(state: State, where: str) -> list[Problem]:
    """Return how the parts of a state contradict each other."""
    problems: list[Problem] = []
    total = sum(canary.hundredths for canary in state.canaries)
    if total > WHOLE:
        what = f"the canaries have {total / HUNDREDTHS:g} percent together"
        problems.append(Problem(f"{where}: canaries", what, "expected at most 100"))
    scoring = [state.champion, *(canary.version for canary in state.canaries)]
    for version in _repeated(scoring):
        what = f"version '{version}' has two roles"
        problems.append(Problem(f"{where}: canaries", what, "a version is the champion, or one canary"))
    twice = _repeated([shadow.version for shadow in state.shadows])
    problems += [Problem(f"{where}: shadows", f"duplicate version '{version}'") for version in twice]
    return problems + ensemble_problems(state.ensembles, where)


def fit(form: type[AnyForm], found: object, where: str, problems: list[Problem]) -> AnyForm | None:
    """Return a part of a document in its form; None if it does not fit, with every reason in `problems`."""
    try:
        return form.model_validate(found)
    except ValidationError as error:
        problems.extend(fault.problem(_place(where, fault.path)) for fault in faults(error, form))
    return None


def _all(form: type[AnyForm], found: Iterable[object], where: str, problems: list[Problem]) -> tuple[AnyForm, ...]:
    fitted = (fit(form, item, f"{where}[{at}]", problems) for at, item in enumerate(found))
    return tuple(item for item in fitted if item is not None)


def _by_name(
    form: type[AnyForm], found: Mapping[str, object], where: str, problems: list[Problem]
) -> dict[str, AnyForm]:
    fitted = {name: fit(form, item, f"{where}[{name}]", problems) for name, item in found.items()}
    return {name: item for name, item in fitted.items() if item is not None}


def _place(where: str, path: Iterable[str | int]) -> str:
    steps = ".".join(map(str, path))
    return where if not steps else f"{where}.{steps}" if "]" in where else f"{where}: {steps}"


def _repeated(names: list[str]) -> list[str]:
    return [name for name in dict.fromkeys(names) if names.count(name) > 1]
