"""Finds the configuration of a server in the model folder of its platform, or makes one from the files there."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scorer.errors import Misconfigured, Problem
from scorer.files import is_remote
from scorer.model.bundles.manifest import MODELS, PLAN
from scorer.rest.arriving import fetched

CONFIGURATION = "scorer.yaml"
VARIABLES = ("AIP_STORAGE_URI", "AZUREML_MODEL_DIR")  # of Vertex AI and Azure ML
MOUNTS = (Path("/opt/ml/model"), Path("/mnt/models"))  # of SageMaker and KServe
DEEPEST = 3  # folders below it that are searched
NOWHERE = Path("/dev/null")  # an empty configuration
_EXPECTED = f"expected {CONFIGURATION}, or one version of a model and one schema of its events (.avsc)"


@dataclass(frozen=True, slots=True)
class Found:
    """The configuration of a server.

    config:    its file; NOWHERE if the overrides have all settings.
    overrides: settings in the form of `--set`, PATH=VALUE.
    folder:    the model folder.
    """

    config: Path
    overrides: tuple[str, ...]
    folder: Path


def find(environ: Mapping[str, str], downloads: Path, mounts: Sequence[Path] = MOUNTS) -> Found | None:
    """Return the configuration of the first model folder that exists; None if there is none.

    Args:
        environ: the environment variables, which name the folders of Vertex AI and Azure ML.
        downloads: an empty folder, for files that are in an object store.
        mounts: the folders of other platforms.

    Raises:
        Misconfigured: the folder has several configurations, or has none and not exactly one version and one schema.
        Unavailable: the object store does not answer.
    """
    for folder in _folders(environ, downloads, mounts):
        if not folder.is_dir():
            continue
        below = sorted(_below(folder, DEEPEST))
        configurations = [path for path in below if path.name == CONFIGURATION]
        if len(configurations) > 1:
            raise _refusal(folder, "configurations", configurations)
        return Found(configurations[0], (), folder) if configurations else _made(folder, below, environ)
    return None


def _made(folder: Path, below: Sequence[Path], environ: Mapping[str, str]) -> Found:
    """Return a configuration for the only version and the only schema in a folder."""
    versions = sorted({path.parent for path in below if path.name in MODELS and (path.parent / PLAN).is_file()})
    schemas = [path for path in below if path.suffix == ".avsc"]
    for what, paths in (("versions of models", versions), ("schemas", schemas)):
        if len(paths) != 1:
            raise _refusal(folder, what, paths)
    overrides = [
        f"model.path={versions[0].parent}",
        f"model.version={versions[0].name}",
        f"events.schema={schemas[0]}",
    ]
    if "SCORER_SERVE__HOST" not in environ:
        overrides.append("serve.host=0.0.0.0")
    return Found(NOWHERE, tuple(overrides), folder)


def _folders(environ: Mapping[str, str], downloads: Path, mounts: Sequence[Path]) -> Iterator[Path]:
    for variable in VARIABLES:
        place = environ.get(variable, "").removeprefix("file://")
        if is_remote(place):
            yield fetched(place, variable, downloads, DEEPEST)
        elif place:
            yield Path(place)
    yield from mounts


def _below(folder: Path, levels: int) -> Iterator[Path]:
    """Yield the files of a folder and of those below it."""
    for path in folder.iterdir():
        if path.is_file():
            yield path
        elif levels and path.is_dir() and not path.name.startswith("."):
            yield from _below(path, levels - 1)


def _refusal(folder: Path, what: str, paths: Sequence[Path]) -> Misconfigured:
    names = ", ".join(str(path.relative_to(folder)) for path in paths[:5]) or "none"
    return Misconfigured([Problem(str(folder), f"has {len(paths)} {what}: {names}", _EXPECTED)])
