"""Score Avro events from Kafka with cached Redis features and an XGBoost model, losing none.

In Python: `scorer.load(source)` gives a model whose `score(rows)` scores dicts, DataFrames and Arrow tables.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scorer.api import BadRows, Model, load
    from scorer.errors import Misconfigured, ScorerError, Unavailable

__version__ = "0.1.0"
__all__ = ["BadRows", "Misconfigured", "Model", "ScorerError", "Unavailable", "__version__", "load"]

_HOMES = {
    "BadRows": "scorer.api",
    "Model": "scorer.api",
    "load": "scorer.api",
    "Misconfigured": "scorer.errors",
    "ScorerError": "scorer.errors",
    "Unavailable": "scorer.errors",
}


def __getattr__(name: str) -> object:
    """Import a name of the API at its first use: most processes need none of it."""
    if name not in _HOMES:
        raise AttributeError(f"module 'scorer' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
