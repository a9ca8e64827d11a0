"""The bill of materials: what the lock file pins and nothing else, as CycloneDX has it."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.dockerfile import CONTEXT
from tests.deploy.tools import home

SCHEMAS = "python/cyclonedx/schema/_res"
LOCK = (CONTEXT / "deploy/requirements.lock").read_text()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("sbom"))


def written(folder: Path) -> Path:
    file = folder / "made/sbom.cdx.json"
    subprocess.run([sys.executable, "deploy/sbom.py", "-o", str(file)], cwd=CONTEXT, check=True)
    return file


def check(file: Path) -> "subprocess.CompletedProcess[str]":
    folder = home() / SCHEMAS
    command = [sys.executable, "-m", "check_jsonschema", "--base-uri", f"{folder.as_uri()}/"]
    command += ["--schemafile", str(folder / "bom-1.6.SNAPSHOT.schema.json"), str(file)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_sbom_conforms_to_the_cyclonedx_schema(file: Path, tmp_path: Path) -> None:
    done = check(file)
    assert done.returncode == 0, done.stdout + done.stderr
    wrong: dict[str, Any] = json.loads(file.read_text())
    wrong["components"][0]["hashes"][0]["content"] = "none"
    (tmp_path / "wrong.json").write_text(json.dumps(wrong))
    assert "hashes[0].content" in check(tmp_path / "wrong.json").stdout


def test_the_sbom_lists_exactly_the_pinned_packages_with_their_hashes(file: Path) -> None:
    components = json.loads(file.read_text())["components"]
    pinned = re.findall(r"^([a-z0-9.-]+)==([^\s;\\]+)", LOCK, re.MULTILINE)
    assert [(each["name"], each["version"]) for each in components] == pinned
    assert sum(len(each["hashes"]) for each in components) == LOCK.count("--hash=sha256:")
    assert all(each["hashes"] for each in components)


def test_every_component_is_needed_by_another(file: Path) -> None:
    made = json.loads(file.read_text())
    needs = {each["ref"]: set(each["dependsOn"]) for each in made["dependencies"]}
    root = made["metadata"]["component"]["bom-ref"]
    reached, open_ends = {root}, [root]
    while open_ends:
        new = needs[open_ends.pop()] - reached
        reached |= new
        open_ends += new
    assert reached == needs.keys() == {root, *(each["bom-ref"] for each in made["components"])}
    project = tomllib.loads((CONTEXT / "pyproject.toml").read_text())["project"]
    direct = {re.split(r"[^\w-]", line, maxsplit=1)[0] for line in project["dependencies"]}
    assert {re.findall(r"pypi/(.*)@", each)[0] for each in needs[root]} == direct


def test_the_sbom_is_reproducible(file: Path, tmp_path: Path) -> None:
    assert written(tmp_path).read_bytes() == file.read_bytes()


def test_the_sbom_of_an_image_with_object_stores_lists_their_packages(tmp_path: Path) -> None:
    command = [sys.executable, "deploy/sbom.py", "--extra", "objects", "-o", str(tmp_path / "sbom.json")]
    subprocess.run(command, cwd=CONTEXT, check=True)
    named = {each["name"] for each in json.loads((tmp_path / "sbom.json").read_text())["components"]}
    pinned = set(re.findall(r"^([a-z0-9.-]+)==", LOCK, re.MULTILINE))
    assert pinned | {"s3fs", "fsspec", "aiobotocore"} < named
