"""Replicas follow an alias of MLflow's registry: no restart, nothing lost or doubled, and never a wrong version."""

import json
from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import pytest
import xgboost

from scorer.model import repository_at
from scorer.rollout import State
from scorer.sandbox.proxy import Network, Proxy
from tests.delivery.conftest import MakeWorld
from tests.delivery.test_guarantees import load as under_load
from tests.delivery.test_guarantees import shared_by
from tests.delivery.test_rollout import configure, wait_served
from tests.delivery.world import World, amount
from tests.model.mlflow import MLflow, serving

URL = "mlflow:/fraud"

pytestmark = pytest.mark.prove


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[MLflow]:
    with serving(tmp_path_factory.mktemp("mlflow")) as server:
        server.introduce(monkeypatch, tmp_path_factory.mktemp("cache"))
        yield server


@pytest.fixture
def network(server: MLflow, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """The way to the server, which a test may break."""
    with server.behind_a_proxy(monkeypatch) as proxy:
        yield proxy


def verified(world: World) -> list[str]:
    """Check that each event has one prediction, with the score of the version that it names; return the versions."""
    ledger = world.ledger()
    assert ledger.predictions.keys() == world.sent.keys(), "lost or invented"
    assert ledger.repeated == 0, "doubled"
    assert not ledger.dead_letters
    found: dict[str, list[tuple[int, Any]]] = {}
    for place, (each, *_) in ledger.predictions.items():
        found.setdefault(str(each["version"]), []).append((cast("int", world.sent[place]), each["score"]))
    for version, scored in found.items():
        amounts = np.array([[amount(number), 2 * amount(number)] for number, _ in scored], np.float32)
        booster = xgboost.Booster(model_file=repository_at(URL).find(version).model_file)
        expected = booster.inplace_predict(amounts, validate_features=False).tolist()
        assert [score for _, score in scored] == expected, f"not the scores of version {version}"
    return sorted(found)


def reasons(world: World) -> list[str]:
    """Why a state was not served, as the replicas logged it."""
    lines = [json.loads(line) for line in world.log().splitlines() if "roll-out state is not served" in line]
    return [line["reason"] for line in lines]


def wait_said(world: World, *words: str) -> None:
    world.until(lambda: any(all(word in each for word in words) for each in reasons(world)), f"a log of {words}")


def test_replicas_follow_the_alias_without_a_restart(make_world: MakeWorld, server: MLflow, network: Proxy) -> None:
    world = make_world(kafka__delivery="exactly-once", model__path=URL, model__version="@champion")
    world.start()
    world.start()
    world.until(lambda: shared_by(world, 2), "two replicas")
    with under_load(world, 1_000):
        server.move("champion", "4")
        wait_served(world, State(champion="4"), 2)
        server.move("champion", "3")
        wait_said(world, "cannot serve 3", "the model's signature has doubled, amount", "still serving 4")
        network.set(Network.RESET)
        wait_said(world, "cannot read mlflow:/fraud@champion", "still serving 4")
        published = world.published()
        world.until(lambda: world.published() > published + 1_000, "events that are scored without the server")
        server.move("champion", "2")
        network.set(Network.PASS)
        wait_served(world, State(champion="2"), 2)
    world.wait_committed()
    assert [world.stop(replica) for replica in list(world.replicas)] == [0, 0]
    assert verified(world) == ["2", "4"]


def test_without_the_server_a_replica_starts_with_a_number_and_never_with_an_alias(
    make_world: MakeWorld, network: Proxy
) -> None:
    world = make_world(model__path=URL, model__version="@champion")
    repository_at(URL).find("2")
    network.set(Network.RESET)
    assert world.ended(world.start()) == 1
    assert f"error: MLflow at http://{network.address} cannot be reached" in world.log()
    configure(world, "model", version="2")
    world.send(range(500))
    world.start()
    world.wait_committed()
    world.stop(world.replicas[0])
    network.set(Network.PASS)
    assert verified(world) == ["2"]
