"""`scorer models`: list, show, verify and add versions of the model; `rollout` has the actions that choose them."""

import argparse
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, cast

from rich.text import Text

from scorer.cli import options, rollout
from scorer.cli.console import console
from scorer.cli.table import aligned
from scorer.documents.yaml import construct
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
from scorer.monitor import configure_logging
from scorer.offline import require_golden
from scorer.plan import Plan
from scorer.rollout import State, kind_of_home
from scorer.serving import Serving, prepare
from scorer.settings import Settings

REFUSED = ("diff",)

Answer = dict[str, Any]  # what `--json` prints


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's actions and their options."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    def action(name: str, text: str, act: Callable[[Settings, argparse.Namespace], Answer]) -> argparse.ArgumentParser:
        one: argparse.ArgumentParser = actions.add_parser(name, help=text, description=text, allow_abbrev=False)
        options.add_config(one)
        one.add_argument("--json", action="store_true", help="print one JSON document")
        one.add_argument("--traceback", action="store_true", help="show where in the code an error comes from")
        one.set_defaults(act=act)
        return one

    action("list", "list the versions, and show which one is served", _list)
    for one in (
        action("show", "show the model and the plan of a version", _show),
        action("verify", "check a version: its files, model, plan and golden events", _verify),
    ):
        one.add_argument("version", nargs="?", help="a version's name (default: the configured one)")
    add = action("add", "check a model with its plan, then add them as a new version", _add)
    add.add_argument("--model", required=True, type=Path, metavar="FILE", help="an XGBoost model, .ubj or .json")
    add.add_argument("--plan", required=True, type=Path, metavar="FILE", help="the source of each column, YAML")
    add.add_argument("--golden", type=Path, metavar="FILE", help="events with their expected scores, JSONL")
    add.add_argument(
        "--rounds",
        type=_rounds,
        metavar="best|all|N",
        help="score with the rounds that early stopping found best, with all rounds (the default), or with the first N",
    )
    add.add_argument("--version", metavar="NAME", help="the new version's name (default: the next number)")
    rollout.arguments(action)
    for name in REFUSED:
        refused = actions.add_parser(name, add_help=False, prefix_chars="\0")  # accepts any option
        refused.add_argument("words", nargs="*")


def run(args: argparse.Namespace) -> int:
    """Do the action and print its answer; problems of a version are raised as Misconfigured."""
    if args.action in REFUSED:
        raise Misconfigured([Problem(f"models {args.action}", "not available in this version")])
    settings = options.load(args).settings
    configure_logging("error", settings.log.format)  # the answer itself has the warnings
    answer = args.act(settings, args)
    if args.json:
        sys.stdout.write(json.dumps(answer, indent=2, ensure_ascii=False) + "\n")
    else:
        _print(answer)
    return 0


def _list(settings: Settings, _: argparse.Namespace) -> Answer:
    repository = repository_at(settings.model.path)
    concern = ""
    try:
        state: State | None = rollout.state_now(settings)
    except Misconfigured:
        state = None  # no version can be served; the existing ones are listed all the same
    except ScorerError as error:
        state, concern = None, f"which version is served is not known: {error}"
    listed = [_state(repository, version) | _role(state, version) for version in repository.versions()]
    facts = {"model": repository.name, "path": repository.location, "configured": settings.model.version}
    return (
        facts
        | ({"rollout": str(state)} if kind_of_home(settings) != "off" else {})
        | {"versions": listed}
        | _warnings([concern])
    )


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
    facts = {
        "objective": booster.objective,
        "booster": booster.booster_kind,
        "trees": booster.trees,
        "rounds": str(booster.rounds),
        "scorer_path": booster.path,
        "outputs": booster.classes,
        "features": booster.names,
        "entities": [{"name": name} | entity for name, entity in (plan.get("entities") or {}).items()],
        "columns": plan["columns"],
    }
    return _facts(bundle) | facts | _warnings([booster.rounds.concern])


def _verify(settings: Settings, args: argparse.Namespace) -> Answer:
    bundle = _chosen(settings, args)
    serving = _checked(settings, bundle)
    said = bundle.manifest.objective if bundle.manifest else None
    if said not in {None, serving.booster.objective}:
        what = f"says the objective is '{said}'; the model's is '{serving.booster.objective}'"
        raise Misconfigured([Problem(f"{bundle.folder}/manifest.json", what)])
    return _facts(bundle) | {"checked": _what_was_checked(bundle)} | _warnings(serving.concerns)


def _add(settings: Settings, args: argparse.Namespace) -> Answer:
    repository = repository_at(settings.model.path)
    version = repository.next_version() if args.version is None else args.version
    files = {"model" + args.model.suffix: args.model, "plan.yaml": args.plan}
    if args.golden:
        files["golden.jsonl"] = args.golden
    problems = repository.new_version_problems(version)
    problems += [Problem(str(file), "no such file") for file in files.values() if not file.is_file()]
    if args.model.suffix not in {".ubj", ".json"} and args.model.is_file():
        problems.append(Problem("--model", *misnamed(args.model)))
    if problems:
        raise Misconfigured(problems)
    parts = args.model, args.plan, args.golden
    candidate = Bundle(repository.name, version, args.model.parent, *parts, rounds=args.rounds)
    serving = _checked(settings, candidate)
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
    answer = _facts(bundle) | {"checked": _what_was_checked(candidate), "served": served}
    return answer | _warnings(serving.concerns)


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


def _checked(settings: Settings, bundle: Bundle) -> Serving:
    """Check a version's parts against each other, and its scores against its golden events."""
    serving = prepare(settings, bundle)
    require_golden(serving)
    return serving


def _what_was_checked(bundle: Bundle) -> list[str]:
    done = ["the model loads and scores", "the plan's columns are the model's", "the plan fits the event schema"]
    if bundle.verified:
        done.insert(0, "the files are those in manifest.json")
    if bundle.golden_file:
        done.append(f"{len(read_golden(bundle.golden_file))} golden events get their scores")
    return done


def _facts(bundle: Bundle) -> Answer:
    facts = {"model": bundle.name, "version": bundle.version, "folder": str(bundle.folder)}
    return facts | {"state": "verified" if bundle.verified else "unverified"} | _origin(bundle)


def _origin(bundle: Bundle) -> Answer:
    manifest = bundle.manifest
    return {key: getattr(manifest, key, None) for key in ("objective", "created", "xgboost")}


def _print(answer: Answer) -> None:
    """Print one fact a line, then each list of objects as a table."""
    show = console(stderr=False).print
    things = {
        name: value
        for name, value in answer.items()
        if isinstance(value, list) and value and isinstance(value[0], dict)
    }
    width = max(len(name) for name in answer) + 2
    for name, value in answer.items():
        if name not in things and value is not None:
            text = ", ".join(map(str, value)) if isinstance(value, list | tuple | dict) else str(value)
            show(Text(f"{name.replace('_', ' '):<{width}}{text}"))
    for rows in things.values():
        names = list(dict.fromkeys(name for row in rows for name in row))
        head, *lines = aligned(
            [name.replace("_", " ") for name in names], [[_cell(row.get(name)) for name in names] for row in rows]
        )
        show()
        show(head, style="bold")
        for line in lines:
            show(line)


def _cell(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return "" if value is None or value is False else "yes" if value is True else str(value)
