"""The gain of each column is what XGBoost says it is."""

import pytest

from tests.model.boosters import loaded, train


@pytest.mark.parametrize("kind", ["stumps", "dart", "softprob", "categorical", "linear"])
def test_gains_are_those_of_the_booster(kind: str) -> None:
    booster, model = train(kind), loaded(kind)
    if kind == "linear":
        assert model.gains().tolist() == [0] * model.columns
        return
    frame = booster.trees_to_dataframe()
    expected = frame[frame.Feature != "Leaf"].groupby("Feature").Gain.sum().to_dict()
    assert model.names is not None
    assert dict(zip(model.names, model.gains().tolist(), strict=True)) == pytest.approx(
        {name: expected.get(name, 0.0) for name in model.names}, rel=1e-5
    )
