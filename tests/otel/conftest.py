import pytest

from scorer.otel import sending
from tests.otel.receiver import PATIENCE_SECONDS


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait at the end for as long as the last export takes on a busy machine."""
    monkeypatch.setattr(sending, "JOIN_SECONDS", PATIENCE_SECONDS)
