"""MLflow's model registry as a repository, over its REST interface: MLflow itself is never imported."""

from scorer.model.repositories.mlflow.alias import AliasHome
from scorer.model.repositories.mlflow.repository import SCHEME, MlflowRepository

__all__ = ["SCHEME", "AliasHome", "MlflowRepository"]
