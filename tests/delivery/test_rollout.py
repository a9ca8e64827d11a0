"""Replicas follow the roll-out state: without a restart, and nothing is lost, doubled or said of the wrong version."""

import io
import json
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from typing import Any, cast

import fastavro
import numpy as np
import pytest
import xgboost
import yaml
from confluent_kafka import Message

from scorer import rollout
from scorer.cli import main
from scorer.kafka import Admin, control_topic
from scorer.rollout import State
from scorer.serving.homes import current_state, required_home
from scorer.settings import load
from tests.conftest import mainly
from tests.delivery.conftest import MakeWorld
from tests.delivery.test_guarantees import load as under_load
from tests.delivery.test_guarantees import shared_by
from tests.delivery.world import PREDICTION, World, amount, card, known
from tests.rollout.test_arms import arms as arms_of

WITHOUT_FEATURES = {"columns": [{"name": "amount", "event": "amount"}]}
Predictions = dict[tuple[int, int], dict[str, Any]]


def add_versions(world: World, versions: int) -> None:
    """Add versions 2 to N, which give other scores; every third has a plan of its own."""
    folder = world.folder / "models/fraud"
    chance = np.random.default_rng(1)
    for version in range(2, versions + 1):
        shutil.copytree(folder / "1", folder / str(version))
        columns = ["amount"] if version % 3 == 0 else ["amount", "spend"]
        matrix = chance.uniform(0, 100, (300, len(columns))).astype(np.float32)
        data = xgboost.DMatrix(matrix, chance.uniform(0, 1, 300) > 0.5, feature_names=columns)
        booster = xgboost.train({"objective": "binary:logistic", "max_depth": 4, "nthread": 1}, data, 10)
        booster.save_model(folder / str(version) / "model.ubj")
        if version % 3 == 0:
            (folder / str(version) / "plan.yaml").write_text(yaml.safe_dump(WITHOUT_FEATURES))


def scores_of(world: World, version: str, numbers: list[int]) -> list[float]:
    """Return the offline scores of events by one version."""
    columns = {
        "amount": [amount(number) for number in numbers],
        "spend": [float(card(number) or 0) * 3 if known(number) else np.nan for number in numbers],
    }
    booster = xgboost.Booster(model_file=world.folder / f"models/fraud/{version}/model.ubj")
    names = cast("list[str]", booster.feature_names)
    matrix = np.array([columns[name] for name in names], np.float32).T
    return cast("list[float]", booster.predict(xgboost.DMatrix(matrix, feature_names=names)).tolist())


def blended(world: World, numbers: list[int]) -> list[float]:
    """Return the offline scores of events by the ensemble of versions 1 and 3."""
    one, three = (np.array(scores_of(world, version, numbers)) for version in ("1", "3"))
    return cast("list[float]", ((0.7 * one + 0.3 * three) / (0.7 + 0.3)).astype(np.float32).tolist())


def verified(world: World) -> Predictions:
    """Check that each event has one prediction, with the score of the version that it names; return them."""
    ledger = world.ledger()
    assert ledger.predictions.keys() == world.sent.keys(), "lost or invented"
    assert ledger.repeated == 0, "doubled"
    assert not ledger.dead_letters
    found = {place: copies[0] for place, copies in ledger.predictions.items()}
    for version in {str(each["version"]) for each in found.values()}:
        places = [place for place, each in found.items() if each["version"] == version]
        numbers = [cast("int", world.sent[place]) for place in places]
        expected = blended(world, numbers) if version == "blend" else scores_of(world, version, numbers)
        assert [found[place]["score"] for place in places] == expected, f"not the scores of version {version}"
        for place in places:
            lacks = (
                []
                if (version.isdigit() and int(version) % 3 == 0) or known(cast("int", world.sent[place]))
                else ["card"]
            )
            assert found[place]["missing"] == lacks
    return found


def models(world: World, *words: str) -> None:
    """Run `scorer models` as an operator does."""
    action, *rest = words
    assert main(["models", action, "-c", str(world.folder / "scorer.yaml"), *rest]) == 0


@contextmanager
def changing(world: World) -> Iterator[Any]:
    """Return a function that makes a change without checking the version, as `scorer models` does after that."""
    settings = load(world.folder / "scorer.yaml", environ={}).settings
    with closing(required_home(settings)) as home:

        def change(action: str, *words: object) -> State:
            held = home.read()
            before = current_state(settings, held)
            after = getattr(rollout, action)(before, *words)
            home.write(held.next(action, after, before, by="test@here"), held)
            return cast("State", after)

        yield change


@pytest.fixture(params=mainly("topic", of=("topic", "file")))
def home(request: pytest.FixtureRequest) -> dict[str, str]:
    return {"topic": {"kafka__control_topic": "set"}, "file": {"model__rollout": "file"}}[request.param]


def made(make_world: MakeWorld, delivery: str, home: dict[str, str], **settings: Any) -> World:
    world = make_world(kafka__delivery=delivery, model__version="1", **home, **settings)
    if home.get("kafka__control_topic"):
        configure(world, "kafka", control_topic=f"{world.group}.control")
        kafka = load(world.folder / "scorer.yaml", environ={}).settings.kafka
        Admin(kafka).create([control_topic(f"{world.group}.control")])
    return world


def configure(world: World, group: str, **settings: Any) -> None:
    file = world.folder / "scorer.yaml"
    document = yaml.safe_load(file.read_text())
    document[group] = (document.get(group) or {}) | settings
    file.write_text(yaml.safe_dump(document))


def wait_served(world: World, state: State, replicas: int) -> None:
    """Wait until every replica has said that it serves a state."""
    text = f'"now": "{state}"'
    world.until(lambda: world.log().count(text) >= replicas, f"{replicas} replicas with {state}")


@pytest.mark.parametrize("delivery", mainly("exactly-once"))
def test_replicas_follow_without_restart_and_nothing_is_lost_or_doubled(
    make_world: MakeWorld, delivery: str, home: dict[str, str]
) -> None:
    world = made(make_world, delivery, home)
    add_versions(world, 3)
    world.start()
    world.start()
    world.until(lambda: shared_by(world, 2), "two replicas")
    with under_load(world, 1_000):
        models(world, "canary", "2", "--percent", "25", "--no-guards")
        quarter = rollout.Canary(version="2", percent=25.0, salt="2")
        wait_served(world, State(champion="1", canaries=(quarter,)), 2)
        time.sleep(1)
        models(world, "promote", "3")
        time.sleep(1)
        models(world, "rollback")
        models(world, "rollback")
        wait_served(world, State(champion="1"), 2)
        time.sleep(0.5)
    world.wait_committed()
    assert [world.stop(replica) for replica in list(world.replicas)] == [0, 0]
    found = verified(world)
    seen = Counter((each["version"], each["arm"]) for each in found.values())
    assert seen.keys() == {("1", "champion"), ("2", "canary"), ("3", "champion")}
    assert "roll-out state is not served" not in world.log()


@pytest.mark.prove
def test_the_arm_of_a_key_is_the_same_on_every_replica_and_after_a_restart(make_world: MakeWorld) -> None:
    world = made(make_world, "at-least-once", {"kafka__control_topic": "set"})
    add_versions(world, 3)
    models(world, "canary", "2", "--percent", "25", "--no-guards")
    models(world, "canary", "3", "--percent", "10", "--salt", "pepper")
    for _ in range(2):
        world.send(range(2_000))
        replicas = [world.start(), world.start()]
        world.wait_committed()
        assert [world.stop(replica) for replica in replicas] == [0, 0]
    by_key: dict[bytes, set[tuple[str, str]]] = {}
    for message in world.read(world.output):
        each = decoded(message)
        by_key.setdefault(message.key() or b"", set()).add((each["version"], each["arm"]))
    assert len(by_key) == 2_000
    keys = sorted(by_key)
    state = [rollout.Canary(version="2", percent=25, salt="2"), rollout.Canary(version="3", percent=10, salt="pepper")]
    roles = [("1", "champion"), ("2", "canary"), ("3", "canary")]
    assert [by_key[key] for key in keys] == [{roles[arm]} for arm in arms_of(state, list(keys)).tolist()]
    verified(world)


def decoded(message: Message) -> dict[str, Any]:
    return cast("dict[str, Any]", fastavro.schemaless_reader(io.BytesIO(message.value() or b""), PREDICTION, None))


@pytest.mark.prove
def test_a_broken_version_takes_no_traffic_and_is_served_once_it_is_mended(make_world: MakeWorld) -> None:
    world = made(make_world, "at-least-once", {"kafka__control_topic": "set"})
    add_versions(world, 2)
    model = world.folder / "models/fraud/2/model.ubj"
    whole = model.read_bytes()
    model.write_bytes(whole[: len(whole) // 2])
    world.start()
    with changing(world) as change:
        world.send(range(500))
        world.wait(500)
        change("promote", "2")
        world.until(lambda: "roll-out state is not served" in world.log(), "the replica to say so")
        said = [json.loads(line) for line in world.log().splitlines() if "roll-out state is not served" in line]
        assert "cannot serve 2: " in said[0]["reason"]
        assert said[0]["reason"].endswith("; still serving 1")
        world.send(range(500, 1_000))
        world.wait(1_000)
        model.write_bytes(whole)
        wait_served(world, State(champion="2"), 1)
        world.send(range(1_000, 1_500))
        world.wait_committed()
    world.stop(world.replicas[0])
    found = verified(world)
    of_numbers = {world.sent[place]: each["version"] for place, each in found.items()}
    assert {of_numbers[number] for number in range(1_000)} == {"1"}
    assert {of_numbers[number] for number in range(1_000, 1_500)} == {"2"}


def test_a_shadow_scores_for_its_own_topic_alone(make_world: MakeWorld) -> None:
    world = made(make_world, "exactly-once", {"kafka__control_topic": "set"})
    add_versions(world, 2)
    shadow_topic = f"{world.group}.shadow"
    configure(world, "predictions", shadow_topic=shadow_topic)
    assert main(["topics", "-c", str(world.folder / "scorer.yaml"), "--create"]) == 0
    models(world, "shadow", "2")
    world.send(range(1_000))
    world.start()
    world.wait_committed()
    world.until(lambda: sum(world.ends(shadow_topic).values()) >= 1_000, "the shadow's predictions")
    world.stop(world.replicas[0])
    found = verified(world)
    assert {(each["version"], each["arm"]) for each in found.values()} == {("1", "champion")}
    shadows = [decoded(message) for message in world.read(shadow_topic)]
    assert {(each["version"], each["arm"]) for each in shadows} == {("2", "shadow")}
    numbers = [cast("int", world.sent[each["source_partition"], each["source_offset"]]) for each in shadows]
    assert sorted(numbers) == list(range(1_000))
    assert [each["score"] for each in shadows] == scores_of(world, "2", numbers)


@pytest.mark.prove
def test_an_ensemble_scores_like_a_version_with_the_bits_of_its_members(make_world: MakeWorld) -> None:
    world = made(make_world, "at-least-once", {"kafka__control_topic": "set"})
    add_versions(world, 3)
    shadow_topic = f"{world.group}.shadow"
    configure(world, "predictions", shadow_topic=shadow_topic)
    assert main(["topics", "-c", str(world.folder / "scorer.yaml"), "--create"]) == 0
    models(world, "ensemble", "blend", "--versions", "1,3", "--weights", "0.7,0.3")
    models(world, "canary", "blend", "--percent", "50")
    models(world, "shadow", "blend")
    world.send(range(600))
    replica = world.start()
    world.wait_committed()
    world.until(lambda: sum(world.ends(shadow_topic).values()) >= 600, "the shadow's predictions")
    with changing(world) as change:
        wait_served(world, change("promote", "blend"), 1)
    assert world.stop(replica) == 0
    world.send(range(600, 1_000))
    replica = world.start()  # with an ensemble as its champion
    world.wait_committed()
    assert world.stop(replica) == 0
    seen = Counter((each["version"], each["arm"]) for each in verified(world).values())
    assert seen.keys() == {("1", "champion"), ("blend", "canary"), ("blend", "champion")}
    shadows = [decoded(message) for message in world.read(shadow_topic)]
    numbers = [cast("int", world.sent[each["source_partition"], each["source_offset"]]) for each in shadows]
    assert {(each["version"], each["arm"]) for each in shadows} == {("blend", "shadow")}
    assert [each["score"] for each in shadows] == blended(world, numbers)


@pytest.mark.prove
@pytest.mark.parametrize("delivery", ["at-least-once", "exactly-once"])
def test_four_replicas_agree_through_fifty_switches_under_load(make_world: MakeWorld, delivery: str) -> None:
    world = made(make_world, delivery, {"kafka__control_topic": "set"}, partitions=8)
    add_versions(world, 6)
    for replicas in range(1, 5):
        world.start()
        world.until(partial(shared_by, world, replicas), f"{replicas} replicas", 180)
    last = State(champion="1")
    with under_load(world, 1_000), changing(world) as change:
        for switch in range(50):
            last = change("promote", str(2 + switch % 5))
            time.sleep(0.4)
        wait_served(world, last, 4)
        time.sleep(1)
    world.wait_committed(120)
    assert [world.stop(replica) for replica in list(world.replicas)] == [0] * 4
    found = verified(world)
    assert {each["version"] for each in found.values()} >= {str(version) for version in range(2, 7)}
