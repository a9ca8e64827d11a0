"""A configuration that is right, for a test to change."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from scorer.errors import Misconfigured, Problem
from scorer.settings import Loaded, load

RIGHT: dict[str, dict[str, Any]] = {
    "kafka": {
        "bootstrap_servers": "localhost:9092",
        "group_id": "delays",
        "input_topics": ["flights"],
        "output_topic": "delays",
        "dead_letter_topic": "flights.dead-letters",
    },
    "events": {"schema": "schemas/flight.avsc"},
    "model": {"path": "models/flight-delays"},
}

Load = Callable[..., Loaded]
Problems = Callable[..., tuple[Problem, ...]]


def changed(changes: Mapping[str, Any]) -> str:
    """The right configuration as YAML with some dotted keys changed."""
    tree: dict[str, Any] = {name: dict(group) for name, group in RIGHT.items()}
    for dotted, value in changes.items():
        *above, name = dotted.split(".", 1)
        group = tree.setdefault(above[0], {}) if above else tree
        group[name] = value
    return yaml.safe_dump(tree, sort_keys=False)


@pytest.fixture(name="read")
def fixture_read(tmp_path: Path) -> Load:
    """Load the right configuration with changes, or a text instead of it."""

    def read(
        changes: Mapping[str, Any] | str = {},
        environ: Mapping[str, str] = {},
        flags: Iterable[str] = (),
    ) -> Loaded:
        file = tmp_path / "scorer.yaml"
        file.write_text(changes if isinstance(changes, str) else changed(changes))
        return load(file, environ, flags)

    return read


@pytest.fixture(name="problems")
def fixture_problems(read: Load) -> Problems:
    """Load what is wrong and return the problems."""

    def problems(
        changes: Mapping[str, Any] | str,
        environ: Mapping[str, str] = {},
        flags: Iterable[str] = (),
    ) -> tuple[Problem, ...]:
        with pytest.raises(Misconfigured) as caught:
            read(changes, environ, flags)
        return caught.value.problems

    return problems
