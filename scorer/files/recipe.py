"""A digest of all that decides the scores of a file besides its events.

Two outputs with the same recipe and the same input are equal.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from scorer.model import state_in_file
from scorer.serving.ensemble import Candidate
from scorer.settings import mask

_NOT_OF_SCORES = ("timeout_ms", "read_from", "cache")  # of `features`


def recipe_of(serving: Candidate, options: Mapping[str, object]) -> str:
    """Return a digest of the versions, the schema, the settings that scores depend on, and the options.

    Features in Redis are not part of it, so a change in them goes unnoticed.

    Args:
        serving: what scores.
        options: the format of the outputs, and other options that they depend on.
    """
    shown = mask(serving.settings)
    features: dict[str, Any] = shown.get("features") or {}
    state = state_in_file(serving.settings) if len(serving.servings) > 1 else None
    document = {
        "model": [serving.model, serving.version, repr(state.ensembles.get(serving.version)) if state else ""],
        "files": [
            [hashlib.sha256(file.read_bytes()).hexdigest() for file in (each.bundle.model_file, each.bundle.plan_file)]
            for each in serving.servings
        ],
        "rounds": [repr(each.bundle.rounds) for each in serving.servings],
        "schema": repr(serving.schema.record),
        "events": {name: value for name, value in shown["events"].items() if name != "schema"},
        "features": {name: value for name, value in features.items() if name not in _NOT_OF_SCORES},
        "predictions": shown["predictions"],
        "options": dict(options),
    }
    return hashlib.sha256(json.dumps(document, sort_keys=True, default=str).encode()).hexdigest()
