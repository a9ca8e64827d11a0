"""Arms of one model in different formats: each event gets the score of its version's own library, bit for bit."""

import shutil
from collections.abc import Callable
from typing import Any

import lightgbm
import numpy as np
import treelite
import xgboost
from confluent_kafka.cimpl import NewTopic
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor

from tests.delivery.conftest import MakeWorld
from tests.delivery.test_rollout import configure, decoded, models
from tests.delivery.world import World, amount, card, known

EVENTS = 2_000
NAMES = ["amount", "spend"]
Predict = Callable[[NDArray[np.float32]], NDArray[Any]]


def add_versions(world: World) -> list[Predict]:
    """Add a version of LightGBM and one of scikit-learn to that of XGBoost; return what each of the three predicts."""
    rng = np.random.default_rng(3)
    matrix = rng.uniform(0, 150, (600, 2)).astype(np.float32)
    label = matrix[:, 0] > matrix[:, 1]
    given = {"objective": "binary", "verbosity": -1, "num_threads": 1, "num_leaves": 15}
    grown = lightgbm.train(given, lightgbm.Dataset(matrix, label, feature_name=NAMES), 20)
    grown.save_model(world.folder / "model.txt")
    fitted = HistGradientBoostingRegressor(max_iter=20).fit(matrix, label)
    (world.folder / "model.json").write_text(treelite.sklearn.import_model(fitted).dump_as_json())
    first = world.folder / "models/fraud/1"
    shutil.copy(first / "plan.yaml", world.folder)
    for model in ("model.txt", "model.json"):
        models(world, "add", "--model", str(world.folder / model), "--plan", str(world.folder / "plan.yaml"))
    booster = xgboost.Booster(model_file=first / "model.ubj")
    return [
        lambda rows: booster.predict(xgboost.DMatrix(rows, feature_names=NAMES)),
        lambda rows: grown.predict(rows, num_threads=1),
        fitted.predict,
    ]


def matches(world: World, found: list[dict[str, Any]], version: str, predict: Predict) -> None:
    """Make sure that predictions are a version's."""
    sent = [world.sent[each["source_partition"], each["source_offset"]] for each in found]
    numbers = [number for number in sent if isinstance(number, int)]
    spend = [float(card(number) or 0) * 3 if known(number) else np.nan for number in numbers]
    expected = predict(np.array([[amount(number) for number in numbers], spend], np.float32).T)
    assert [each["score"] for each in found] == expected.tolist()
    assert {each["version"] for each in found} == {version}


def test_a_champion_a_canary_and_a_shadow_of_different_formats_give_the_scores_of_their_libraries(
    make_world: MakeWorld,
) -> None:
    world = make_world(model__version="1", model__rollout="file")
    shadow_topic = f"{world.group}.shadow"
    configure(world, "predictions", shadow_topic=shadow_topic)
    world.admin.create_topics([NewTopic(shadow_topic, world.partitions)])[shadow_topic].result()
    predict = add_versions(world)
    models(world, "promote", "2")
    models(world, "canary", "1", "--percent", "30", "--no-guards")
    models(world, "shadow", "3")
    replica = world.start()
    world.send(range(EVENTS))
    world.wait_committed()
    world.until(lambda: sum(world.ends(shadow_topic).values()) >= EVENTS, "the shadow's predictions")
    assert world.stop(replica) == 0
    ledger = world.ledger()
    assert ledger.predictions.keys() == world.sent.keys()
    assert not ledger.dead_letters
    found = [copies[0] for copies in ledger.predictions.values()]
    for version, least in (("1", EVENTS / 5), ("2", EVENTS / 2)):
        mine = [each for each in found if each["version"] == version]
        assert len(mine) > least
        matches(world, mine, version, predict[int(version) - 1])
    matches(world, [decoded(message) for message in world.read(shadow_topic)], "3", predict[2])
