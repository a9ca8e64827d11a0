"""A registered model of MLflow as a repository: a version is MLflow's, once our plan is beside the model."""

import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import structlog

from scorer.documents.files import read_bytes
from scorer.errors import Misconfigured, Problem, RepositoryUnavailable, did_you_mean
from scorer.model.bundles.bundle import Bundle, write_bundle
from scorer.model.bundles.manifest import GOLDEN, MANIFEST, PLAN
from scorer.model.learned.rounds import Rounds
from scorer.model.repositories.downloads import USING_DOWNLOAD, Downloads
from scorer.model.repositories.mlflow.artifacts import EXTRA, Artifacts, artifacts_at
from scorer.model.repositories.mlflow.http import Absent, Server
from scorer.model.repositories.mlflow.mlmodel import MLMODEL, MlModel
from scorer.model.repositories.versions import LATEST, in_order, unknown_version
from scorer.model.saved.contents import HEAD, SAVED_AS, mistaken, recognise
from scorer.plan import Draft

SCHEME = "mlflow"
ALIAS = "@"  # the first character of an alias in `model.version`
READY = "READY"  # the status of a version whose files are complete
PAGE, MOST_PAGES = "1000", 1_000  # versions in one response, and responses in a list
MOST_BYTES = 1_000_000  # of a file that describes the model
_SMALL = (MLMODEL, PLAN, MANIFEST)
_LOG = "a version is logged by MLflow: mlflow.xgboost.log_model(..., registered_model_name={name!r})"

log = structlog.get_logger()


class MlflowRepository:
    """The versions of a registered model on the MLflow server that MLflow's own variables name.

    Args:
        url: `mlflow:/NAME`.

    Raises:
        Misconfigured: if that is no name of a registered model.
    """

    def __init__(self, url: str) -> None:
        self.name = url.partition(":")[2].strip("/")
        if not self.name or "/" in self.name or ALIAS in self.name:
            alias = self.name.partition(ALIAS)[2]
            expected = "expected mlflow:/NAME" + (f" with model.version: '@{alias}'" if alias else "")
            raise Misconfigured([Problem("model.path", f"'{url}' is no address of a registered model", expected)])

    @property
    def location(self) -> str:
        """The address, which does not name the server."""
        return f"{SCHEME}:/{self.name}"

    def versions(self) -> list[str]:
        """List the versions that MLflow says are ready, with and without a plan."""
        self._ask("registered-models/get", name=self.name)  # a search finds nothing for a name that is not there
        found, token = list[str](), ""
        with self._server.understood():
            for _ in range(MOST_PAGES):
                search = {"filter": f"name={_quoted(self.name)}", "max_results": PAGE, "page_token": token}
                answer = self._ask("model-versions/search", **search)
                found += [
                    _version(each["version"])
                    for each in answer.get("model_versions") or ()
                    if each.get("status", READY) == READY
                ]
                if not (token := str(answer.get("next_page_token") or "")):
                    return in_order(found)
            raise ValueError("the pages do not end")

    def resolve(self, version: str) -> str:
        """Return the name of the chosen version, which may be given by an alias, as `@champion`."""
        if version.startswith(ALIAS):
            return self._aliased(version)
        if version != LATEST:
            self._known(version)
            return version
        if not (names := self.versions()):
            raise Misconfigured(
                [Problem("model.path", f"{self.location} has no versions", _LOG.format(name=self.name))]
            )
        return names[-1]

    def find(self, version: str = LATEST) -> Bundle:
        """Open the chosen version, downloaded unless it is in the cache.

        While the server does not answer, a version that is named by its number and was downloaded before is opened from
        the cache. Which one an alias means, or which is the latest, only the server knows.
        """
        try:
            return self._found(self.resolve(version))
        except RepositoryUnavailable as error:
            named = version != LATEST and not version.startswith(ALIAS)
            if not named or (bundle := self._downloads.known(version)) is None:
                raise
            log.warning(USING_DOWNLOAD, version=version, error=str(error))
            return bundle

    def next_version(self) -> str:
        """Refuse: MLflow numbers its versions itself."""
        raise Misconfigured(self.new_version_problems(""))

    def new_version_problems(self, version: str) -> list[Problem]:  # noqa: ARG002  the same for all
        """Return why no version can be added here."""
        todo = f"{_LOG.format(name=self.name)}, then add the plan with `scorer models attach`"
        return [Problem("models add", f"cannot add to {self.location}", todo)]

    def add(self, version: str, files: Mapping[str, Path], objective: str, rounds: Rounds | None = None) -> Bundle:  # noqa: ARG002  as `Repository` has it
        """Refuse, see `new_version_problems`."""
        raise Misconfigured(self.new_version_problems(version))

    @contextmanager
    def borrowed(self, version: str) -> Iterator[tuple[str, Path, MlModel]]:
        """Download the model of a version without a plan for a while.

        Yields:
            The version's name, the model's file, and what MLflow says of it.

        Raises:
            Misconfigured: there is no such version, or it has a plan already, and a version never changes.
        """
        chosen = self.resolve(version)
        with tempfile.TemporaryDirectory(prefix="scorer-mlflow-") as folder:
            model = self._model(chosen, Path(folder))
            if model.has(PLAN):
                what = f"{self.location}/{chosen} has a {PLAN} already"
                raise Misconfigured([Problem("version", what, "a version never changes: log the model again")])
            yield chosen, model.download_model(Path(folder)), model.described

    def attach(self, bundle: Bundle, objective: str, rounds: Rounds | None = None) -> Bundle:
        """Write a plan, golden events and a manifest beside the model of a version; the plan makes it complete.

        Args:
            bundle: the version's name and the files; those of the model are what `borrowed` has downloaded.
            objective: the model's objective, for the manifest.
            rounds: which of the model's rounds score; None leaves it open.

        Raises:
            Misconfigured: it has a plan already, or its files may not be written.
        """
        files = {bundle.model_file.name: bundle.model_file, PLAN: bundle.plan_file}
        if bundle.golden_file:
            files[GOLDEN] = bundle.golden_file
        with tempfile.TemporaryDirectory(prefix="scorer-attach-") as folder:
            write_bundle(Path(folder), files, objective, rounds)
            model = self._model(bundle.version, Path(folder))
            if model.has(PLAN):  # since it was downloaded
                raise Misconfigured([Problem("models attach", f"{self.location}/{bundle.version} has a {PLAN} by now")])
            for name in (GOLDEN, MANIFEST, PLAN):
                if (file := Path(folder, name)).exists():
                    model.artifacts.upload(name, file)
        return self.find(bundle.version)

    def _found(self, version: str) -> Bundle:
        """Open a version that exists."""
        with tempfile.TemporaryDirectory(prefix="scorer-mlflow-") as folder:
            model = self._model(version, Path(folder))
            if not model.has(PLAN):
                raise Misconfigured([_without_plan(self.location, version)])
            identity = f"{model.artifacts.location}\n{sorted(model.sizes.items())}\n".encode()
            identity += b"".join(model.read(name) for name in _SMALL if model.has(name))
            plan = f"{self.location}/{version}: {PLAN}"
            names = Draft.parse(model.read(PLAN).decode("utf-8-sig", "replace"), plan).names
            if problems := model.described.problems(names, plan):
                raise Misconfigured(problems)
            there = f"{self.location}/{version}"
            return self._downloads.bundle(version, identity, there, model.download_all)

    def _model(self, version: str, folder: Path) -> "_Model":
        """Return the files of a version, of which the small ones are downloaded to a folder."""
        with self._server.understood():
            uri = self._known(version, "model-versions/get-download-uri")["artifact_uri"]
            artifacts = artifacts_at(self._server, str(uri))
        return _Model(artifacts, folder, f"{self.location}/{version}")

    def _known(self, version: str, question: str = "model-versions/get") -> Any:  # noqa: ANN401  JSON
        """Ask about a version.

        Raises:
            Misconfigured: there is no such version.
        """
        try:
            return self._server.get(f"mlflow/{question}", name=self.name, version=version)
        except Absent:
            raise Misconfigured([unknown_version(version, self.versions(), self.location)]) from None

    def _aliased(self, alias: str) -> str:
        try:
            with self._server.understood():
                named = {"name": self.name, "alias": alias.removeprefix(ALIAS)}
                answer = self._server.get("mlflow/registered-models/alias", **named)
                return _version(answer["model_version"]["version"])
        except Absent:
            with self._server.understood():
                model = self._ask("registered-models/get", name=self.name)["registered_model"]
                there = [f"{ALIAS}{each['alias']}" for each in model.get("aliases") or ()]
            what = f"no alias '{alias}'{did_you_mean(alias, there)}"
            has = f"{self.location} has {', '.join(there)}" if there else f"{self.location} has no aliases"
            raise Misconfigured([Problem("model.version", what, has)]) from None

    def _ask(self, question: str, **query: str) -> Any:  # noqa: ANN401  JSON
        """Ask about the registered model.

        Raises:
            Misconfigured: there is none of this name.
        """
        try:
            return self._server.get(f"mlflow/{question}", **query)
        except Absent as absent:
            what = f"cannot read {self.location}: {absent} (by MLflow at {self._server.url})"
            raise Misconfigured([Problem("model.path", what, _LOG.format(name=self.name))]) from None

    @cached_property
    def _server(self) -> Server:
        return Server()

    @cached_property
    def _downloads(self) -> Downloads:
        return Downloads(f"{self._server.url} {self.location}", self.name)


class _Model:
    """The files of one version; those in `extra_files/` count as beside the model.

    Args:
        artifacts: where they are.
        folder: where the small ones are read from.
        where: the version, for errors.
    """

    def __init__(self, artifacts: Artifacts, folder: Path, where: str) -> None:
        self.artifacts, self._folder = artifacts, folder
        self.sizes = artifacts.sizes()
        if not self.has(MLMODEL):
            what = f"has no file {MLMODEL} at {artifacts.location}"
            raise Misconfigured([Problem(where, what, "expected a model that MLflow has logged")])
        self.described = MlModel.parse(self.read(MLMODEL).decode(errors="replace"), f"{where}: {MLMODEL}")

    def has(self, name: str) -> bool:
        """Whether there is a file of this name."""
        return self._path(name) in self.sizes

    def read(self, name: str) -> bytes:
        """Return the content of a small file."""
        if (size := self.sizes[self._path(name)]) > MOST_BYTES:
            raise Misconfigured([Problem(f"{self.artifacts.location}/{name}", f"has {size:,} bytes, which none needs")])
        file = self._folder / f".{name}"
        if not file.exists():
            self.artifacts.download(self._path(name), file)
        return read_bytes(file)

    def download_all(self, folder: Path) -> None:
        """Write the files of the bundle to an empty folder."""
        for name in _SMALL:
            if self.has(name):
                (folder / name).write_bytes(self.read(name))
        if self.has(GOLDEN):
            self.artifacts.download(self._path(GOLDEN), folder / GOLDEN)
        self.download_model(folder)

    def download_model(self, folder: Path) -> Path:
        """Write the model to a folder, under the name that a bundle has for its kind, and return it."""
        file = folder / "model"
        self.artifacts.download(self.described.file, file)
        with file.open("rb") as content:
            head = content.read(HEAD)
        kind = recognise(head).kind
        if not kind:
            what, todo = mistaken(head, "")
            raise Misconfigured([Problem(f"{self.artifacts.location}/{self.described.file}", what, todo)])
        return file.rename(folder / f"model{SAVED_AS[kind]}")

    def _path(self, name: str) -> str:
        return name if name in self.sizes else f"{EXTRA}/{name}"


def _without_plan(location: str, version: str) -> Problem:
    first = f"`scorer models plan {version} --output {PLAN}` writes a first one"
    then = f"`scorer models attach {version} --plan {PLAN}` checks it and puts it beside the model"
    return Problem(f"{location}/{version}", f"has no {PLAN}", f"{first}, and {then}")


def _version(number: object) -> str:
    """Return the version that a response names; ValueError if it is no number, as MLflow's versions are."""
    if not re.fullmatch("[0-9]{1,18}", version := str(number)):
        raise ValueError("no number of a version")
    return version


def _quoted(name: str) -> str:
    return f"'{name}'" if "'" not in name else f'"{name}"'
