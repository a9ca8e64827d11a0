from collections.abc import Iterator
from pathlib import Path

import pytest

from scorer.registry import http
from tests.registry.apicurio import Apicurio


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a registry take its time: on a busy machine, its first responses take longer than a replica would wait."""
    monkeypatch.setattr(http, "DEADLINE_SECONDS", 60.0)


@pytest.fixture(scope="session")
def apicurio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Apicurio]:
    """A registry that all tests share: use subjects of your own, and leave it running."""
    with Apicurio(tmp_path_factory.mktemp("apicurio")) as server:
        yield server


@pytest.fixture
def own_apicurio(tmp_path: Path) -> Iterator[Apicurio]:
    """A registry of this test alone, to stop, kill and pause."""
    with Apicurio(tmp_path / "apicurio") as server:
        yield server
