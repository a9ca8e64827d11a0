import pytest

from scorer.monitor import Health
from scorer.security import redaction


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def health(clock: Clock) -> Health:
    return Health(limit_s=10, clock=clock)


def test_a_starting_replica_is_alive_and_not_ready(health: Health, clock: Clock) -> None:
    clock.now += 1000
    assert health.live()[0]
    assert not health.ready()[0]


def test_a_loop_is_alive_until_its_limit(health: Health, clock: Clock) -> None:
    health.heartbeat()
    clock.now += 10
    assert health.live()[0]
    assert health.ready()[0]
    clock.now += 0.1
    live, words = health.live()
    assert not live
    assert words == {"live": False, "conditions": {"loop": "last iteration 10.1 s ago, the limit is 10 s"}}
    assert not health.ready()[0]
    health.heartbeat()
    assert health.live()[0]


def test_readiness_requires_every_condition_and_names_those_that_fail(health: Health) -> None:
    health.heartbeat()
    health.set("model", ok=True, detail="delays 10")
    health.set("features", ok=False, detail="redis://localhost refused the connection")
    ready, words = health.ready()
    assert not ready
    assert words["failed"] == ["features"]
    assert words["conditions"]["features"] == "redis://localhost refused the connection"
    assert health.live()[0], "a server that is away is no reason to restart the replica"
    health.set("features", ok=True, detail="redis answers")
    assert health.ready()[0]


def test_no_health_page_shows_a_secret() -> None:
    redaction.learn("hunter2")
    health = Health(60.0)
    health.set("features", False, "Redis said hunter2")  # noqa: FBT003  reads as a sentence
    _, words = health.ready()
    assert words["conditions"]["features"] == "Redis said ********"
