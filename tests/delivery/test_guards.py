"""A bad canary is withdrawn for all replicas by one record, and nothing is lost or doubled meanwhile."""

import json
import shutil
import time
from contextlib import closing
from functools import partial
from typing import Any

import numpy as np
import pytest
import xgboost
import yaml

from scorer import rollout
from scorer.kafka import ControlTopic
from scorer.rollout import Held, State
from scorer.settings import load
from tests.conftest import mainly
from tests.delivery.conftest import MakeWorld
from tests.delivery.test_guarantees import load as under_load
from tests.delivery.test_guarantees import shared_by
from tests.delivery.test_rollout import made, models, wait_served
from tests.delivery.world import PLAN, World

REPLICAS = 2
SHARE = 0.25


def add_bad_version(world: World, guard: str) -> None:
    """Add version 2, which one guard finds: it looks for features that do not exist, or has the opposite scores."""
    folder = world.folder / "models/fraud"
    shutil.copytree(folder / "1", folder / "2")
    if guard == "dead_letters":
        entity = {"key": "crad:{card}", "layout": "hash", "fields": ["spend"], "when_missing": "dead-letter"}
        (folder / "2/plan.yaml").write_text(yaml.safe_dump(PLAN | {"entities": {"card": entity}}))
        return
    chance = np.random.default_rng(0)
    matrix = np.column_stack([chance.uniform(0, 100, 400), chance.uniform(0, 150, 400)]).astype(np.float32)
    data = xgboost.DMatrix(matrix, matrix[:, 0] * 2 > 0.9 * matrix[:, 1], feature_names=["amount", "spend"])
    parameters = {"objective": "binary:logistic", "max_depth": 1, "eta": 0.01, "nthread": 1}
    xgboost.train(parameters, data, 3).save_model(folder / "2/model.ubj")


def records(world: World) -> list[dict[str, Any]]:
    """Return every change in the control topic, also those that do not count."""
    settings = load(world.folder / "scorer.yaml", environ={}).settings

    class Listener:
        def __init__(self) -> None:
            self.told: list[bytes] = []

        def changed(self, held: Held) -> None:
            pass

        def heard(self, value: bytes | None, seconds: float) -> None:
            assert abs(time.time() - seconds) < 3_600
            self.told += [value] if value else []

    heard = Listener()
    with closing(ControlTopic(settings.kafka, "fraud")) as home:
        home.listen(heard)
        home.read()
    told = [json.loads(each) for each in heard.told]
    assert {each["model"] for each in told} == {"fraud"}, "the replicas told each other"
    arms = [arm for each in told for arm in each["sums"]["arms"].values()]
    assert all(arm["events"] and arm["calls"] and arm["seconds"] > 0 for arm in arms), "each call takes its time"
    world.partitions, partitions = 1, world.partitions
    found = [json.loads(each.value() or b"null") for each in world.read(settings.kafka.control_topic or "")]
    world.partitions = partitions
    return [each for each in found if each and "action" in each]


@pytest.mark.prove
@pytest.mark.parametrize("guard", mainly("psi", of=("psi", "dead_letters")))
def test_a_bad_canary_is_withdrawn_once_for_all_replicas(make_world: MakeWorld, guard: str) -> None:
    delivery = {"psi": "exactly-once", "dead_letters": "at-least-once"}[guard]
    limit = {"kafka__max_dead_letter_ratio": 0.05, "kafka__dead_letter_window": 200}  # the canary alone would exceed it
    world = made(make_world, delivery, {"kafka__control_topic": "set"}, **limit)
    add_bad_version(world, guard)
    models(world, "promote", "1")
    for replicas in range(1, REPLICAS + 1):
        world.start()
        world.until(partial(shared_by, world, replicas), f"{replicas} replicas")
    with under_load(world, 1_000, key=None):  # so that each event has an arm of its own, by its id
        models(world, "canary", "2", "--percent", str(100 * SHARE))
        canary = rollout.Canary(version="2", percent=100 * SHARE, salt="2")
        wait_served(world, State(champion="1", canaries=(canary,)), REPLICAS)
        wait_served(world, State(champion="1"), REPLICAS)
    world.wait_committed()
    assert [world.stop(replica) for replica in list(world.replicas)] == [0] * REPLICAS
    changes = records(world)
    assert [each["action"] for each in changes] == ["promote", "canary", "withdraw"]
    withdrawn = changes[-1]
    assert withdrawn["by"] == "guard"
    assert withdrawn["why"].startswith(f"{guard}: ")
    (said,) = [json.loads(line) for line in world.log().splitlines() if "canary withdrawn" in line]
    assert said["version"] == "2"
    assert withdrawn["why"] == f"{said['guard']}: {said['reason']}"
    ledger = world.ledger()
    assert ledger.predictions.keys() | ledger.dead_letters.keys() == world.sent.keys(), "lost or invented"
    assert not ledger.predictions.keys() & ledger.dead_letters.keys(), "both scored and a dead letter"
    assert ledger.repeated == 0, "doubled"
    assert all(len(letters) == 1 for letters in ledger.dead_letters.values())
    bad = sum(copies[0]["version"] == "2" for copies in ledger.predictions.values()) + len(ledger.dead_letters)
    assert 0 < bad < SHARE * rollout.Guards().window.events, "it scored more than its share of one window"
    assert bool(ledger.dead_letters) == (guard == "dead_letters")
