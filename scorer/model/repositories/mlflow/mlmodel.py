"""What the file `MLmodel` says of a model that MLflow logged: its file, and the names of its columns."""

import json
from dataclasses import dataclass

from scorer.documents.yaml import construct
from scorer.errors import Misconfigured, Problem

MLMODEL = "MLmodel"
_FLAVORS = ("xgboost", "lightgbm", "onnx")  # whose files can be read here
_LOG = "log the booster with mlflow.xgboost.log_model, mlflow.lightgbm.log_model or mlflow.onnx.log_model"


@dataclass(frozen=True, slots=True)
class MlModel:
    """A model of a flavor of MLflow whose file can be read here.

    id:      MLflow's id of the logged model; empty before MLflow 3.
    file:    the name of its file.
    columns: the names in its signature, in order; empty if there is none, or it has no names.
    """

    id: str
    file: str
    columns: tuple[str, ...]

    @classmethod
    def parse(cls, text: str, where: str) -> "MlModel":
        """Parse a file `MLmodel`.

        Raises:
            Misconfigured: it is not one, or that of another kind of model.
        """
        found, problems = construct(text, where)
        if problems or not isinstance(found, dict):
            raise Misconfigured(problems or [Problem(where, "is not an MLmodel file", _LOG)])
        flavors = found.get("flavors")
        names: dict[object, object] = flavors if isinstance(flavors, dict) else {}
        flavor = next((names[name] for name in _FLAVORS if name in names), None)
        file = flavor.get("data") if isinstance(flavor, dict) else None
        if not isinstance(file, str) or not file or "/" in file or file.startswith("."):
            kinds = ", ".join(str(name) for name in names) or "none"
            what = f"has no model of {', '.join(_FLAVORS)} (its flavors: {kinds})"
            raise Misconfigured([Problem(where, what, _LOG)])
        return cls(str(found.get("model_id") or ""), file, _columns(found.get("signature")))

    def problems(self, names: tuple[str, ...], where: str) -> list[Problem]:
        """Return how the columns of a plan contradict the signature.

        Args:
            names: the names of the plan's columns, in order; empty where a name is missing.
            where: the plan.
        """
        if not (self.columns and names and all(names)) or names == self.columns:
            return []
        what = f"has the columns {', '.join(names)}; the model's signature has {', '.join(self.columns)}"
        return [Problem(where, what, "expected the same names in the same order")]


def _columns(signature: object) -> tuple[str, ...]:
    text = signature.get("inputs") if isinstance(signature, dict) else None
    try:
        inputs = json.loads(text) if isinstance(text, str) else []
    except (ValueError, RecursionError):
        return ()
    names = (
        [each.get("name") if isinstance(each, dict) else None for each in inputs] if isinstance(inputs, list) else []
    )
    return tuple(map(str, names)) if all(names) else ()
