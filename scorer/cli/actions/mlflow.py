"""`scorer models plan` and `attach`: give a model in MLflow's registry the plan that it needs to be served."""

import argparse
from pathlib import Path

from scorer.cli.shown.answers import Answer, Declare
from scorer.errors import Misconfigured, Problem
from scorer.init.draft import draft_plan
from scorer.model import Bundle, MlflowRepository, load_booster, repository_at
from scorer.serving.formats import open_formats
from scorer.serving.offline import require_golden
from scorer.serving.serving import prepare
from scorer.settings import Settings


def arguments(action: Declare) -> None:
    """Declare the actions and their options.

    Args:
        action: declares one action, and returns its parser.
    """
    plan = action("plan", "draft a plan for a version in MLflow's registry that has none", _plan)
    attach = action("attach", "check a plan for a version in MLflow's registry, then put it beside the model", _attach)
    for one in (plan, attach):
        one.add_argument("version", help="a version's number, or an alias such as @champion")
    plan.add_argument("--output", required=True, type=Path, metavar="FILE", help="a new file for the plan")
    attach.add_argument("--plan", required=True, type=Path, metavar="FILE", help="the source of each column, YAML")
    attach.add_argument("--golden", type=Path, metavar="FILE", help="events with their expected scores, JSONL")


def _plan(settings: Settings, args: argparse.Namespace) -> Answer:
    schema, redis = open_formats(settings).schema, settings.features.url if settings.features else None
    with _registry(settings).borrowed(args.version) as (version, model, described):
        text, guesses = draft_plan(load_booster(model), schema, redis, described.columns)
    try:
        with args.output.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise Misconfigured([Problem("--output", f"{args.output} cannot be written: {error.strerror}")]) from None
    still = [guess.wanted.name for guess in guesses if guess.open]
    then = f"scorer models attach {version} --plan {args.output}"
    facts = {"model": _registry(settings).name, "version": version, "wrote": str(args.output)}
    return facts | {"columns": len(guesses), "open": still, "next": f"complete the open columns, then {then}"}


def _attach(settings: Settings, args: argparse.Namespace) -> Answer:
    repository = _registry(settings)
    files = [file for file in (args.plan, args.golden) if file is not None]
    if problems := [Problem(str(file), "no such file") for file in files if not file.is_file()]:
        raise Misconfigured(problems)
    with repository.borrowed(args.version) as (version, model, described):
        candidate = Bundle(repository.name, version, model.parent, model, args.plan, args.golden)
        serving = prepare(settings, candidate)
        if problems := described.problems(serving.plan.names, str(args.plan)):
            raise Misconfigured(problems)
        require_golden(serving)
        bundle = repository.attach(candidate, serving.booster.objective)
    facts = {"model": bundle.name, "version": bundle.version, "beside": repository.location}
    return facts | {"state": "verified" if bundle.verified else "unverified"}


def _registry(settings: Settings) -> MlflowRepository:
    """Return the registered model of the settings.

    Raises:
        Misconfigured: the models are elsewhere.
    """
    repository = repository_at(settings.model.path)
    if not isinstance(repository, MlflowRepository):
        what = f"is {repository.location}, where `scorer models add` adds a model together with its plan"
        raise Misconfigured([Problem("model.path", what, "expected mlflow:/NAME")])
    return repository
