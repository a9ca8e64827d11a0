"""`scorer models diff`: how two versions of a model differ, in their plans, their models and their scores."""

import argparse
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import tee
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scorer.avro import Schema, read_events
from scorer.batch import Outcome
from scorer.cli.comparing import diff_stream
from scorer.cli.comparing.diff_view import pictures, show
from scorer.cli.comparing.shift import Fate, Pairs, Scores
from scorer.cli.lifecycle import options
from scorer.cli.shown.answers import Answer, Declare
from scorer.cli.shown.picture import drawn, require_drawable
from scorer.cli.shown.progress import counting
from scorer.cli.written.output import replacing
from scorer.errors import Misconfigured, Problem
from scorer.model import Booster, Bundle, load_booster, repository_at
from scorer.plan import Plan
from scorer.plan.difference import differences
from scorer.serving.offline import Offline
from scorer.serving.serving import Serving, prepare
from scorer.settings import Settings
from scorer.store import Fetch, Reply, Request

MINUTES = 10


def arguments(action: Declare) -> None:
    """Declare the action and its options.

    Args:
        action: declares one action, and returns its parser.
    """
    diff = action("diff", "show how two versions differ: plan, model, and scores on a file of events", _diff)
    diff.add_argument("before", metavar="A", help="a version's name")
    diff.add_argument("after", metavar="B", help="the name of the version that A is compared with")
    of_events = diff.add_mutually_exclusive_group()
    what = "events, .jsonl or .avro, which both versions score"
    of_events.add_argument("--input", type=Path, metavar="FILE", help=what)
    what = "compare what one version said as a shadow with what the other said of the same events"
    of_events.add_argument("--stream", action="store_true", help=what)
    what = "with --stream: use a shadow's predictions of the last N minutes (default: %(default)s)"
    diff.add_argument("--minutes", type=options.positive, default=MINUTES, metavar="N", help=what)
    diff.add_argument("--output", type=Path, metavar="FILE", help="draw to an .html page or an .svg picture as well")
    diff.set_defaults(show=show)


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two versions."""

    bundle: Bundle
    plan: Plan
    booster: Booster

    def facts(self) -> Answer:
        """Return a description of the model."""
        return {
            "version": self.bundle.version,
            "objective": self.booster.objective,
            "booster": self.booster.booster_kind,
            "trees": self.booster.trees,
            "rounds": str(self.booster.rounds),
            "outputs": self.booster.classes,
            "columns": self.booster.columns,
            "bytes": self.bundle.model_file.stat().st_size,
            "scorer_path": self.booster.path,
        }

    def importance(self) -> dict[str, float]:
        """Return the share of each column in the total gain of all splits."""
        gains = self.booster.gains()
        return dict(zip(self.plan.names, (gains / (gains.sum() or 1.0)).tolist(), strict=True))


def _diff(settings: Settings, args: argparse.Namespace) -> Answer:
    if args.output:
        require_drawable(args.output, "--output")
    repository = repository_at(settings.model.path)
    with ExitStack() as stack:
        out = stack.enter_context(replacing(args.output, "--output")) if args.output else None
        bundles = [repository.find(version) for version in (args.before, args.after)]
        scores: Answer = {}
        if args.input:
            first = _prepared(settings, bundles[0])
            second = _prepared(settings, bundles[1], first.schema)
            sides = [Side(each.bundle, each.plan, each.booster) for each in (first, second)]
            _require_comparable(sides, "--input")
            scores = {"scores": _compare(first, second, args.input, stack)}
        else:
            sides = [Side(each, *_parts(each)) for each in bundles]
        if args.stream:
            _require_comparable(sides, "--stream")
            scores = {"scores": diff_stream.compare(settings, args, stack)}
        before, after = sides
        answer = {
            "model": repository.name,
            "before": before.facts(),
            "after": after.facts(),
            "plan": [
                {
                    "kind": each.kind,
                    "name": each.name,
                    "change": each.change,
                    "before": each.before,
                    "after": each.after,
                }
                for each in differences(before.plan, after.plan)
            ],
            "importance": _importance(before.importance(), after.importance()),
            **scores,
        }
        if out:
            title = f"{repository.name}: version {args.before} and version {args.after}"
            out.write(drawn(args.output, title, pictures(answer)))
    return answer


def _prepared(settings: Settings, bundle: Bundle, schema: Schema | None = None) -> Serving:
    """Load a version, without what explains predictions."""
    predictions = settings.predictions.model_copy(update={"explain": None})
    return prepare(settings.model_copy(update={"predictions": predictions}), bundle, schema)


def _parts(bundle: Bundle) -> tuple[Plan, Booster]:
    """Load a version without the schema of the events, which its scores alone need.

    Raises:
        Misconfigured: it cannot be loaded, or the plan's columns are not the model's.
    """
    plan, booster = Plan.load(bundle.plan_file), load_booster(bundle.model_file, bundle.rounds)
    if problems := booster.problems(plan.names):
        raise Misconfigured(problems)
    return plan, booster


def _require_comparable(sides: Sequence[Side], option: str) -> None:
    """Make sure that both versions give the same number of scores for an event.

    Raises:
        Misconfigured: they do not.
    """
    if len({each.booster.classes for each in sides}) > 1:
        versions = (f"version {each.bundle.version} gives {each.booster.classes}" for each in sides)
        what = f"the scores of an event cannot be compared: {' and '.join(versions)}"
        raise Misconfigured([Problem(option, what, "leave it out to compare plans and models")])


def _importance(before: dict[str, float], after: dict[str, float]) -> list[Answer]:
    """Return the shares of each column, the largest first; null where a version does not have the column."""
    names = dict.fromkeys([*before, *after])
    rows = [{"column": name, "before": before.get(name), "after": after.get(name)} for name in names]
    return sorted(rows, key=lambda row: -max(before.get(str(row["column"]), 0), after.get(str(row["column"]), 0)))


def _compare(before: Serving, after: Serving, file: Path, stack: ExitStack) -> Answer:
    """Score the events of a file with both versions, batch by batch.

    Raises:
        Misconfigured: the input is wrong.
        Unavailable: the feature store does not answer, and the policy is to wait.
    """
    lookups = before.lookups(cached=False, entities=[*before.plan.entities, *after.plan.entities])
    if lookups:
        stack.callback(lookups.close)
    same = SameFeatures(lookups.fetch) if lookups else None
    progress = stack.enter_context(counting("events scored"))
    bodies = tee(read_events(file, before.schema, before.settings.events.max_bytes))
    old = Offline(before, same.fetch if same and before.entities else None).outcomes(bodies[0])
    new = Offline(after, same.fetch_again if same and after.entities else None).outcomes(bodies[1])
    pairs, fates, degraded, events = Pairs(), (Fate(), Fate()), 0, 0
    for first, second in zip(old, new, strict=True):
        _count(fates, (first, second))
        _collect(pairs, first, second)
        events += len(first.matrix.values)
        degraded += len(first.matrix.values) if first.predictions.degraded or second.predictions.degraded else 0
        progress(events)
    return {
        "input": str(file),
        "events": events,
        "before": fates[0].document(),
        "after": fates[1].document(),
        "compared": pairs.events,
        "degraded": degraded,
        "outputs": [shift.document() for shift in pairs.shifts()],
        "largest": [each.document() for each in pairs.farthest],
    }


def _count(fates: Iterable[Fate], outcomes: Iterable[Outcome]) -> None:
    for fate, outcome in zip(fates, outcomes, strict=True):
        fate.scored += len(outcome.matrix.values) - len(outcome.rejected)
        fate.rejected.update(each.reason.value for each in outcome.rejected)


def _collect(pairs: Pairs, first: Outcome, second: Outcome) -> None:
    """Add the events of a batch that both versions scored."""
    good = np.ones(len(first.matrix.values), np.bool_)
    for outcome in (first, second):
        good[[each.row for each in outcome.rejected]] = False
    rows = np.flatnonzero(good)
    pairs.add(_ids(first, rows), *(_scores(outcome)[rows] for outcome in (first, second)))


def _ids(outcome: Outcome, rows: NDArray[np.int64]) -> list[bytes]:
    each, text = outcome.predictions, outcome.predictions.data.tobytes()
    spans = zip(each.id_starts[rows].tolist(), each.id_ends[rows].tolist(), strict=True)
    return [text[start:end] for start, end in spans]


def _scores(outcome: Outcome) -> Scores:
    """Return the scores of a batch as [rows, outputs]."""
    scores = outcome.predictions.scores
    return scores.reshape(len(scores), -1)


class SameFeatures:
    """Gives both versions the same features, even if the store changes in between.

    Args:
        fetch: looks features up.
    """

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._known: dict[tuple[object, tuple[bytes, ...]], Reply] = {}

    def fetch(self, requests: Sequence[Request], now: float) -> list[Reply]:
        """Look up the features of a batch, and remember them for the other version."""
        replies = self._fetch(requests, now)
        self._known = {self._name(request): reply for request, reply in zip(requests, replies, strict=True)}
        return replies

    def fetch_again(self, requests: Sequence[Request], now: float) -> list[Reply]:
        """Return the remembered features of a batch, and look up those that are not."""
        unknown = [request for request in requests if self._name(request) not in self._known]
        found = iter(self._fetch(unknown, now) if unknown else ())
        return [self._known.get(self._name(request)) or next(found) for request in requests]

    @staticmethod
    def _name(request: Request) -> tuple[object, tuple[bytes, ...]]:
        return request.entity, tuple(request.keys)
