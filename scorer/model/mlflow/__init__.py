"""MLflow's model registry as a repository, over its REST interface: MLflow itself is never imported."""

from scorer.model.mlflow.alias import AliasHome
from scorer.model.mlflow.repository import SCHEME, MlflowRepository

__all__ = ["SCHEME", "AliasHome", "MlflowRepository"]
