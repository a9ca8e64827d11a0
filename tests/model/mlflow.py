"""A real MLflow server, in an environment of its own: with its client it is 640 MB."""

import functools
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Self
from urllib.request import Request, urlopen

import pytest

from scorer.sandbox.proxy import Proxy
from scorer.sandbox.server import HOST, Server
from tests.once import fetched

LOCK = Path(__file__).with_name("mlflow.lock")
MODELS = Path(__file__).with_name("mlflow_models.py")
START_SECONDS = 300.0
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "PYTHONWARNINGS": "ignore"}


@functools.cache  # a test may let XDG_CACHE_HOME name another folder
def environment() -> Path:
    """The environment with MLflow: made once per user, and checked by mlflow.lock."""
    return fetched(f"mlflow-{_digest(LOCK)}", _install)


def _install(temporary: Path) -> Path:
    uv, folder = str(Path(sys.executable).with_name("uv")), temporary / "env"
    _run([uv, "venv", "--quiet", "--relocatable", "--python", sys.executable, str(folder)])
    install = ["pip", "install", "--quiet", "--python", str(folder / "bin/python")]
    _run([uv, *install, "--require-hashes", "-r", str(LOCK)])
    return folder


@functools.cache
def registry() -> Path:
    """The data of a server whose models its own client has logged: made once per user."""
    return fetched(f"mlflow-models-{_digest(LOCK, MODELS)}", _log_models)


def _log_models(temporary: Path) -> Path:
    folder, files = temporary / "data", temporary / "files"
    folder.mkdir()
    files.mkdir()
    python = str(environment() / "bin/python")
    _run([python, "-m", "mlflow", "db", "upgrade", f"sqlite:///{folder}/mlflow.db"])
    with MLflow(folder) as server:
        _run([python, "-P", str(MODELS), str(files)], MLFLOW_TRACKING_URI=server.url)
    return folder


def _run(command: list[str], **variables: str) -> None:
    done = subprocess.run(command, env=os.environ | QUIET | variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _digest(*files: Path) -> str:
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]


class MLflow(Server):
    """One server, with a database and artifacts in its folder."""

    name = "MLflow"
    ready_line: ClassVar[bytes] = b"Application startup complete"
    version = "MLflow 3.17.2"
    app: ClassVar[list[str]] = ["mlflow.server.fastapi_app:app"]  # what uvicorn serves

    @property
    def url(self) -> str:
        """The tracking server's address."""
        return f"http://{self.address}"

    def start(self) -> Self:
        """Start it: the first time, Python compiles hundreds of modules, perhaps on a busy machine."""
        self.launch()
        self.await_ready(START_SECONDS)
        return self

    def introduce(self, monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
        """Let clients in this process and its children find it, with an empty cache of models."""
        monkeypatch.setenv("MLFLOW_TRACKING_URI", self.url)
        monkeypatch.setenv("XDG_CACHE_HOME", str(cache))

    @contextmanager
    def behind_a_proxy(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
        """Let clients find it behind a proxy, which a test may break."""
        proxy = Proxy(self.address)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://{proxy.address}")
        try:
            yield proxy
        finally:
            proxy.close()

    def ask(self, method: str, path: str, body: dict[str, Any]) -> Any:
        """Send a request, as MLflow's own client does."""
        kind = {"Content-Type": "application/json"}
        request = Request(f"{self.url}/api/2.0/mlflow/{path}", json.dumps(body).encode(), kind, method=method)  # noqa: S310  our own server
        with urlopen(request, timeout=30) as answer:  # noqa: S310  the same
            return json.loads(answer.read())

    def move(self, alias: str, version: str) -> None:
        """Let an alias of the model name another version."""
        self.ask("POST", "registered-models/alias", {"name": "fraud", "alias": alias, "version": version})

    @property
    def more(self) -> dict[str, str]:
        """Further variables of the server."""
        return {}

    def _command(self) -> list[str]:
        database = f"sqlite:///{self.folder}/mlflow.db"
        variables = QUIET | {
            "_MLFLOW_SERVER_FILE_STORE": database,
            "_MLFLOW_SERVER_REGISTRY_STORE": database,
            "_MLFLOW_SERVER_ARTIFACT_DESTINATION": f"{self.folder}/artifacts",
            "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
            "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
        }
        variables |= self.more
        app = ["-m", "uvicorn", "--host", HOST, "--port", str(self.port), *self.app]
        return ["env", *(f"{name}={value}" for name, value in variables.items()), f"{environment()}/bin/python", *app]


class LoginMLflow(MLflow):
    """One that asks for a login, whose administrator is `admin`."""

    PASSWORD: ClassVar[str] = "s3cret-of-tests"  # noqa: S105  no real one
    app: ClassVar[list[str]] = ["--factory", "mlflow.server.auth:create_app"]

    @property
    def more(self) -> dict[str, str]:
        """Further variables of the server."""
        file = self.folder / "auth.ini"
        file.write_text(
            f"[mlflow]\ndefault_permission = READ\ndatabase_uri = sqlite:///{self.folder}/auth.db\n"
            f"admin_username = admin\nadmin_password = {self.PASSWORD}\n"
            "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
            "auth_cache_ttl_seconds = 60\n"  # otherwise each request takes a second of computing
        )
        return {
            "MLFLOW_AUTH_CONFIG_PATH": str(file),
            "MLFLOW_FLASK_SERVER_SECRET_KEY": "x",
            "_MLFLOW_SGI_NAME": "uvicorn",
        }


@contextmanager
def serving(folder: Path, kind: type[MLflow] = MLflow) -> Iterator[MLflow]:
    """Start a server with the model `fraud`: see mlflow_models.py for its versions."""
    shutil.copytree(registry(), folder, dirs_exist_ok=True)
    with kind(folder) as server:
        yield server
