"""A platform puts a model into a folder, and starts the image with `serve` alone."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scorer.errors import Misconfigured
from scorer.rest.folder import NOWHERE, find
from tests.docs.pages import ROOT
from tests.model.s3 import BUCKET, serving
from tests.rest.gcs import Gcs
from tests.rest.served import Served

GOLDEN = json.loads((ROOT / "models/flight-delays/1/golden.jsonl").read_text().splitlines()[0])


@pytest.fixture
def mount(tmp_path: Path) -> Path:
    """A folder with a version and a schema, as in /opt/ml/model."""
    mount = tmp_path / "model"
    shutil.copytree(ROOT / "models/flight-delays/1", mount / "flight-delays/1")
    shutil.copy(ROOT / "schemas/flight.avsc", mount)
    return mount


@pytest.mark.parametrize("variable", ["AIP_STORAGE_URI", "AZUREML_MODEL_DIR", None])
def test_one_version_and_one_schema_are_enough(mount: Path, variable: str | None) -> None:
    found = find({variable: str(mount)} if variable else {}, mount, [] if variable else [mount / "absent", mount])
    assert found is not None
    assert (found.config, found.folder) == (NOWHERE, mount)
    assert found.overrides == (
        f"model.path={mount}/flight-delays",
        "model.version=1",
        f"events.schema={mount}/flight.avsc",
        "serve.host=0.0.0.0",
    )


def test_a_server_starts_from_the_folder_alone(mount: Path, tmp_path: Path) -> None:
    variables = {"AZUREML_MODEL_DIR": str(mount), "SCORER_SERVE__HOST": "127.0.0.1"}
    with Served(Path("scorer.yaml"), tmp_path / "log", **variables) as server:
        found = server.ask("/score", GOLDEN["event"] | {"features": GOLDEN["features"]}).json
        assert found["score"] == pytest.approx(GOLDEN["score"], rel=1e-6)
        (told,) = (line for line in server.lines if line["event"] == "configured by the model folder")
        assert told["folder"] == str(mount)


def test_a_host_of_the_environment_stays(mount: Path) -> None:
    found = find({"SCORER_SERVE__HOST": "127.0.0.1"}, mount, [mount])
    assert found is not None
    assert not any(each.startswith("serve.host") for each in found.overrides)


def test_a_configuration_is_taken_as_it_is(mount: Path) -> None:
    (mount / "flight-delays/scorer.yaml").write_text("")
    found = find({"AZUREML_MODEL_DIR": str(mount)}, mount, [])
    assert found is not None
    assert (found.config, found.overrides) == (mount / "flight-delays/scorer.yaml", ())


def test_without_a_folder_there_is_nothing(tmp_path: Path) -> None:
    assert find({}, tmp_path, [tmp_path / "absent"]) is None


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("schema", "has 0 schemas: none; expected scorer.yaml, or one version of a model and one schema"),
        ("version", "has 2 versions of models: flight-delays/1, flight-delays/2"),
        ("plan", "has 0 versions of models: none"),
        ("configurations", "has 2 configurations: flight-delays/scorer.yaml, scorer.yaml"),
    ],
)
def test_what_is_not_clear_is_told(mount: Path, change: str, told: str) -> None:
    match change:
        case "schema":
            (mount / "flight.avsc").unlink()
        case "version":
            shutil.copytree(mount / "flight-delays/1", mount / "flight-delays/2")
        case "plan":
            (mount / "flight-delays/1/plan.yaml").unlink()
        case _:
            (mount / "scorer.yaml").write_text("")
            (mount / "flight-delays/scorer.yaml").write_text("")
    with pytest.raises(Misconfigured, match=told):
        find({}, mount, [mount])


@pytest.mark.prove  # fetches a server with the interface of S3
def test_a_server_starts_from_a_folder_in_s3(mount: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(tmp_path / "s3") as s3:
        s3.introduce(monkeypatch, tmp_path / "cache")
        s3.files().put(str(mount), f"{BUCKET}/deployed", recursive=True)
        variables = {"AIP_STORAGE_URI": f"s3://{BUCKET}/deployed", "SCORER_SERVE__HOST": "127.0.0.1"}
        with Served(Path("scorer.yaml"), tmp_path / "log", **variables) as server:
            found = server.ask("/score", GOLDEN["event"] | {"features": GOLDEN["features"]}).json
            assert found["score"] == pytest.approx(GOLDEN["score"], rel=1e-6)


FETCH = """
import os, sys
from pathlib import Path
from scorer.rest.folder import find

found = find(os.environ, Path(sys.argv[1]), [])
print(found.folder, *found.overrides)
"""


@pytest.mark.prove  # fetches a server with the interface of Google Cloud Storage, and gcsfs
def test_a_folder_in_google_cloud_storage_is_fetched(mount: Path, tmp_path: Path) -> None:
    with Gcs(tmp_path / "gcs") as store:
        store.put(mount, "deployed")
        variables = os.environ | store.variables | {"AIP_STORAGE_URI": f"gs://{BUCKET}/deployed"}
        command = [sys.executable, "-c", FETCH, str(tmp_path / "downloads")]
        done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    folder, *overrides = done.stdout.split()
    assert f"model.path={folder}/flight-delays" in overrides
    for file in (each.relative_to(mount) for each in mount.rglob("*") if each.is_file()):
        assert (Path(folder) / file).read_bytes() == (mount / file).read_bytes()
