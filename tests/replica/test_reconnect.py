"""New clients after their files were replaced: what is wrong meanwhile does not end the replica."""

from types import SimpleNamespace
from typing import Any

import pytest

from scorer.errors import Aborted, Misconfigured, Problem, ScorerError
from scorer.monitor import Component
from scorer.replica import connecting
from scorer.replica.pipeline import Parts
from scorer.stopping import Stop


class Clients:
    """A consumer and a delivery, as far as `reconnect` needs them."""

    uncommitted = dropped = 0
    transaction_open = False

    def __init__(self) -> None:
        self.told: list[str] = []

    def settle(self, _: float) -> bool:
        return True

    def subscribe(self, *_: object) -> None:
        self.told.append("subscribed")

    def close(self, *_: object) -> bool:
        self.told.append("closed")
        return True


def parts_of(old: Clients, statuses: list[tuple[Component, str]]) -> Parts:
    watch: Any = SimpleNamespace(status=lambda *status: statuses.append(status), heartbeat=lambda: None)
    given: Any = old
    unused: Any = None
    return Parts(given, unused, unused, unused, given, watch)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connecting, "RETRY_SECONDS", 0.0)


FAILURES = [
    Aborted("cannot begin a transaction: no broker answers"),
    Misconfigured([Problem("kafka.properties", "ssl.key.location failed")]),
]


@pytest.mark.parametrize("failure", FAILURES)
def test_creating_clients_is_retried_until_it_succeeds(failure: ScorerError) -> None:
    old, new, statuses, failures = Clients(), Clients(), list[tuple[Component, str]](), [failure, failure]

    def make() -> Any:
        if failures:
            raise failures.pop()
        return new, new

    parts = connecting.reconnect(parts_of(old, statuses), make, Stop(25.0))
    assert parts is not None
    clients: object = parts.source
    assert clients is new
    assert old.told == ["closed", "closed"]
    assert new.told == ["subscribed"]
    assert statuses == [(Component.KAFKA, f"cannot reconnect: {failure}")] * 2


def test_a_stop_ends_the_attempts_to_reconnect() -> None:
    stop = Stop(25.0)

    def make() -> Any:
        stop.request()
        raise Aborted("no broker answers")

    assert connecting.reconnect(parts_of(Clients(), []), make, stop) is None
