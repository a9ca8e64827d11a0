"""Models of MLflow's other flavors: the file that `MLmodel` names gets the name that a bundle has for its contents."""

from pathlib import Path

import pytest

from scorer.errors import Misconfigured
from scorer.model.repositories.mlflow.mlmodel import MLMODEL, MlModel
from scorer.model.repositories.mlflow.repository import _Model

from .lightgbms import train


class Files:
    """The files of one version, as `Artifacts` has them."""

    location = "mlflow-artifacts:/1/models/m/artifacts"

    def __init__(self, files: dict[str, bytes]) -> None:
        self._files = files

    def sizes(self) -> dict[str, int]:
        return {name: len(content) for name, content in self._files.items()}

    def download(self, name: str, file: Path) -> None:
        file.write_bytes(self._files[name])

    def upload(self, name: str, file: Path) -> None:
        self._files[name] = file.read_bytes()


def described(flavor: str, file: str) -> bytes:
    return f"flavors:\n  python_function: {{loader_module: x}}\n  {flavor}: {{data: {file}}}\n".encode()


@pytest.mark.parametrize(
    ("flavor", "file", "content", "name"),
    [
        ("lightgbm", "model.lgb", train("binary").encode(), "model.txt"),
        ("onnx", "model.onnx", b"\x08\x07\x12\x08skl2onnx", "model.onnx"),
        ("xgboost", "model.xgb", b'{"learner": {}}', "model.json"),
    ],
)
def test_the_file_of_a_flavor_becomes_that_of_a_bundle(
    flavor: str, file: str, content: bytes, name: str, tmp_path: Path
) -> None:
    model = _Model(Files({MLMODEL: described(flavor, file), file: content}), tmp_path, "mlflow:/fraud/1")
    found = model.download_model(tmp_path)
    assert (found.name, found.read_bytes()) == (name, content)


def test_a_pickle_that_was_logged_is_refused(tmp_path: Path) -> None:
    files = {MLMODEL: described("lightgbm", "model.pkl"), "model.pkl": b"\x80\x04\x95"}
    with pytest.raises(Misconfigured, match="it is a pickle, which is never loaded"):
        _Model(Files(files), tmp_path, "mlflow:/fraud/1").download_model(tmp_path)
    assert MlModel.parse(files[MLMODEL].decode(), "MLmodel").file == "model.pkl"
