"""`scorer models`: list, show, verify and add versions; `diff` compares two, and `rollout` chooses which are served."""

import argparse
import sys
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import cast

from scorer.cli.actions import baselines, diff, mlflow, rollout
from scorer.cli.lifecycle import options
from scorer.cli.shown.answers import Act, Answer, show
from scorer.documents.yaml import construct
from scorer.drift import read_baseline
from scorer.errors import Fatal, Misconfigured, Problem, ScorerError
from scorer.model import (
    Bundle,
    Repository,
    Rounds,
    load_booster,
    misnamed,
    parse_rounds,
    read_golden,
    repository_at,
)
from scorer.model.bundles.manifest import sha256
from scorer.model.saved.contents import MODEL_ENDINGS, SAVED_AS
from scorer.monitor import configure_logging
from scorer.plan import Plan
from scorer.rollout import State, kind_of_home
from scorer.security.printable import printable_json
from scorer.serving.offline import require_golden
from scorer.serving.serving import Serving, prepare
from scorer.settings import Settings


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's actions and their options."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    def action(name: str, text: str, act: Act) -> argparse.ArgumentParser:
        one = options.add_action(actions, name, text)
        one.add_argument("--json", action="store_true", help="print one JSON document")
        one.set_defaults(act=act, show=show)
        return one

    action("list", "list the versions, and show which one is served", _list)
    for one in (
        action("show", "show the model and the plan of a version", _show),
        action("verify", "check a version: its files, model, plan and golden events", _verify),
    ):
        one.add_argument("version", nargs="?", help="a version's name (default: the configured one)")
    add = action("add", "check a model with its plan, then add them as a new version", _add)
    add.add_argument("--model", required=True, type=Path, metavar="FILE", help=f"a model: {MODEL_ENDINGS}")
    add.add_argument("--plan", required=True, type=Path, metavar="FILE", help="the source of each column, YAML")
    add.add_argument("--golden", type=Path, metavar="FILE", help="events with their expected scores, JSONL")
    add.add_argument(
        "--baseline",
        type=Path,
        metavar="FILE",
        help="what drift is measured against: rows of the training set as events (.jsonl, .avro, .parquet, .csv) or as "
        "the model's columns (.parquet, .csv), or what `scorer models baseline` has written (.json)",
    )
    add.add_argument(
        "--rounds",
        type=_rounds,
        metavar="best|all|N",
        help="score with the rounds that early stopping found best, with all rounds (the default), or with the first N",
    )
    add.add_argument("--version", metavar="NAME", help="the new version's name (default: the next number)")
    baseline = action("baseline", "make a baseline of a file for a version, to be added with a later one", _baseline)
    baseline.add_argument("version", nargs="?", help="a version's name (default: the configured one)")
    baseline.add_argument("--input", required=True, type=Path, metavar="FILE", help="as `scorer models add --baseline`")
    baseline.add_argument("--output", type=Path, metavar="FILE", help="where to write it, as JSON")
    diff.arguments(action)
    rollout.arguments(action)
    mlflow.arguments(action)


def run(args: argparse.Namespace) -> int:
    """Do the action and print its answer; problems of a version are raised as Misconfigured."""
    settings = options.load(args).settings
    configure_logging("error", settings.log.format)  # the answer itself has the warnings
    answer = args.act(settings, args)
    if args.json:
        sys.stdout.write(printable_json(answer, indent=2) + "\n")
    else:
        args.show(answer)
    return 0


def _list(settings: Settings, _: argparse.Namespace) -> Answer:
    repository = repository_at(settings.model.path)
    state, concern = _state_now(settings)
    listed = [_state(repository, version) | _role(state, version) for version in repository.versions()]
    facts = {"model": repository.name, "path": repository.location, "configured": settings.model.version}
    return (
        facts
        | ({"rollout": str(state)} if kind_of_home(settings) != "off" else {})
        | {"versions": listed}
        | _warnings([concern])
    )


def _state_now(settings: Settings) -> tuple[State | None, str]:
    """Return which version does what, or None and a warning if that is not known."""
    try:
        return rollout.state_now(settings), ""
    except Misconfigured:
        return None, ""  # no version can be served
    except ScorerError as error:
        return None, f"which version is served is not known: {error}"


def _role(state: State | None, version: str) -> Answer:
    shares = [f"canary {each.percent:g}%" for each in state.canaries if each.version == version] if state else []
    shares += [f"shadow {each.sample:g}" for each in state.shadows if each.version == version] if state else []
    shares += [f"in {name}" for name, each in state.ensembles.items() if version in each.versions] if state else []
    served = state is not None and version in state.versions_of(state.champion)
    return {"served": served} | ({"role": ", ".join(shares)} if shares else {})


def _state(repository: Repository, version: str) -> Answer:
    try:
        bundle = repository.find(version)
    except Misconfigured as error:
        return {"version": version, "state": "broken", "why": "; ".join(map(str, error.problems))}
    return {"version": version, "state": "verified" if bundle.verified else "unverified"} | _origin(bundle)


def _show(settings: Settings, args: argparse.Namespace) -> Answer:
    bundle = _chosen(settings, args)
    booster = load_booster(bundle.model_file, bundle.rounds)
    Plan.load(bundle.plan_file)  # checks the plan before it is shown
    plan = cast("Answer", construct(bundle.plan_file.read_text("utf-8-sig"), str(bundle.plan_file))[0])
    state, concern = _state_now(settings)
    role = _role(state, bundle.version)
    serves = ["champion"] * role["served"] + ([role["role"]] if "role" in role else [])
    facts = {
        "serves": ("not known" if concern else ", ".join(serves) or "nothing"),
        "objective": booster.objective,
        "booster": booster.booster_kind,
        "trees": booster.trees,
        "rounds": str(booster.rounds),
        "scorer_path": booster.path,
        "outputs": booster.classes,
        "golden_events": len(read_golden(bundle.golden_file)) if bundle.golden_file else 0,
        "baseline": _of_baseline(bundle),
        "features": booster.names,
        "entities": [{"name": name} | entity for name, entity in (plan.get("entities") or {}).items()],
        "columns": plan["columns"],
        "files": [
            {"file": file.name, "bytes": file.stat().st_size, "sha256": sha256(file)}
            for file in (bundle.model_file, bundle.plan_file, bundle.golden_file, bundle.baseline_file)
            if file
        ],
    }
    return _facts(bundle) | facts | _warnings([booster.rounds.concern, concern])


def _verify(settings: Settings, args: argparse.Namespace) -> Answer:
    bundle = _chosen(settings, args)
    serving, checked = _checked(settings, bundle)
    said = bundle.manifest.objective if bundle.manifest else None
    if said not in {None, serving.booster.objective}:
        what = f"says the objective is '{said}'; the model's is '{serving.booster.objective}'"
        raise Misconfigured([Problem(f"{bundle.folder}/manifest.json", what)])
    return _facts(bundle) | {"checked": checked} | _warnings(_concerns(serving))


def _add(settings: Settings, args: argparse.Namespace) -> Answer:
    repository = repository_at(settings.model.path)
    version = repository.next_version() if args.version is None else args.version
    files = {"model" + args.model.suffix: args.model, "plan.yaml": args.plan}
    if args.golden:
        files["golden.jsonl"] = args.golden
    problems = repository.new_version_problems(version)
    given = [*files.values(), *([args.baseline] if args.baseline else [])]
    missing = [Problem(str(file), "no such file") for file in given if not file.is_file()]
    if args.model.suffix not in SAVED_AS.values() and args.model.is_file():
        missing.append(Problem("--model", *misnamed(args.model)))
    parts = args.model, args.plan, args.golden
    candidate = Bundle(repository.name, version, args.model.parent, *parts, rounds=args.rounds)
    try:
        serving, checked = (None, []) if missing else _checked(settings, candidate)
    except Misconfigured as error:
        serving, checked, problems = None, [], [*problems, *error.problems]
    if problems or missing or serving is None:
        raise Misconfigured([*problems, *missing])
    with ExitStack() as stack:
        if args.baseline is not None:
            baseline = baselines.baseline_of(args.baseline, serving, "--baseline")
            files["baseline.json"] = stack.enter_context(baselines.written(baseline))
            checked.append(f"the baseline has {baseline.rows:,} rows of the model's columns")
        try:
            bundle = repository.add(version, files, serving.booster.objective, args.rounds)
        except OSError as error:
            why = error.strerror or error  # an error that is not of a system call has no strerror
            raise Fatal(f"cannot write {repository.location}/{version}: {why}; nothing was added") from error
    served = (
        f"after `scorer models promote {version}`"
        if kind_of_home(settings) != "off"
        else "at the next start"
        if settings.model.version in {"latest", version}
        else f"with model.version: '{version}'"
    )
    return _facts(bundle) | {"checked": checked, "served": served} | _warnings(_concerns(serving))


def _baseline(settings: Settings, args: argparse.Namespace) -> Answer:
    bundle = _chosen(settings, args)
    baseline = baselines.baseline_of(args.input, prepare(settings, bundle), "--input")
    baselines.save(baseline, args)
    return {"model": bundle.name, "version": bundle.version} | baselines.summary(baseline)


def _of_baseline(bundle: Bundle) -> str:
    if bundle.baseline_file is None:
        return "none: drift is measured from the first events of the stream"
    baseline = read_baseline(bundle.baseline_file)
    return f"{baseline.id}, {baseline.rows:,} rows"


def _rounds(text: str) -> Rounds:
    try:
        return parse_rounds(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _warnings(concerns: Iterable[str]) -> Answer:
    found = [concern for concern in concerns if concern]
    return {"warnings": found} if found else {}


def _chosen(settings: Settings, args: argparse.Namespace) -> Bundle:
    return repository_at(settings.model.path).find(args.version or settings.model.version)


def _checked(settings: Settings, bundle: Bundle) -> tuple[Serving, list[str]]:
    """Check a version's parts against each other, and its scores against its golden events; return what was checked."""
    serving = prepare(settings, bundle)
    golden = require_golden(serving)
    done = ["the files are those in manifest.json"] if bundle.verified else []
    done += [*serving.booster.checks, "the plan's columns are the model's", "the plan fits the event schema"]
    if golden.events:
        exact = "exactly" if golden.exact == golden.events else f"({golden.exact} of them exactly)"
        done.append(f"{golden.events} golden events get their scores {exact}")
    return serving, done


def _concerns(serving: Serving) -> list[str]:
    return [*serving.concerns, serving.booster.slow]


def _facts(bundle: Bundle) -> Answer:
    facts = {"model": bundle.name, "version": bundle.version, "folder": str(bundle.folder)}
    return facts | {"state": "verified" if bundle.verified else "unverified"} | _origin(bundle)


def _origin(bundle: Bundle) -> Answer:
    manifest = bundle.manifest
    found = {key: getattr(manifest, key, None) for key in ("objective", "created", "xgboost")}
    return found if found["xgboost"] or manifest is None else {key: found[key] for key in ("objective", "created")}
