"""Explanations as a consumer of the predictions reads them from a real broker, against XGBoost's own."""

import numpy as np
import xgboost

from tests.delivery.conftest import MakeWorld
from tests.delivery.world import amount, card, known

EVENTS = 2_000
LIMIT = 0.5


def test_predictions_above_a_score_carry_the_explanation_that_xgboost_gives(make_world: MakeWorld) -> None:
    world = make_world(predictions__explain={"top": 2, "when": {"above": LIMIT}})
    world.send(list(range(EVENTS)))
    replica = world.start()
    world.wait(EVENTS)
    world.wait_committed()
    assert world.stop(replica) == 0
    ledger = world.verify()
    assert "explaining predictions" in world.log()
    assert "XGBoost itself explains" not in world.log()
    numbers = [value for value in world.sent.values() if isinstance(value, int)]
    spend = [float(card(number) or 0) * 3 if known(number) else np.nan for number in numbers]
    matrix = np.array([[amount(number) for number in numbers], spend], np.float32).T
    booster = xgboost.Booster(model_file=world.folder / "models/fraud/1/model.ubj")
    parts = booster.predict(xgboost.DMatrix(matrix, feature_names=["amount", "spend"]), pred_contribs=True)
    explained = 0
    for at, place in enumerate(world.sent):
        (prediction, *_) = ledger.predictions[place]
        explanation, score = prediction["explanation"], prediction["score"]
        assert isinstance(score, float)
        assert (explanation is not None) == (score > LIMIT)
        if explanation is None:
            continue
        assert isinstance(explanation, list)
        explained += 1
        by_column = {each["column"]: each for each in explanation}
        for column, name in enumerate(("amount", "spend")):
            value = float(matrix[at, column])
            assert by_column[name]["value"] == (None if np.isnan(value) else value)
            assert abs(by_column[name]["contribution"] - parts[at, column]) <= 1e-5
        sizes = [abs(each["contribution"]) for each in explanation]
        assert sizes == sorted(sizes, reverse=True)
    assert 0 < explained < EVENTS
