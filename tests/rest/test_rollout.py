"""Requests follow the roll-out state as the stream does: an id keeps its arm, and a change needs no restart."""

import shutil
import time
from pathlib import Path

import numpy as np
import pytest
import xgboost
import yaml

from scorer.arrays.spans import Texts
from scorer.rollout import Arms
from scorer.rollout.state import read_state
from tests.api.example import row, write_example
from tests.rest.served import PATIENCE, Served, serving_only
from tests.rest.test_equality import plain

STATE = {"champion": "1", "canaries": [{"version": "2", "percent": 40, "salt": "2"}]}


@pytest.fixture
def config(tmp_path: Path, redis_url: str) -> Path:
    """Versions 1 and 2, of which 2 has half of the trees, with a roll-out in a file."""
    config = serving_only(write_example(tmp_path, redis_url))
    models = tmp_path / "models/parcels"
    shutil.copytree(models / "1", models / "2")
    model = models / "2/model.ubj"
    xgboost.Booster(model_file=model)[:15].save_model(model)
    (models / "rollout.yaml").write_text(yaml.safe_dump(STATE))
    return config


def test_arms_versions_and_a_promotion(config: Path, tmp_path: Path) -> None:
    events = [plain(row(id=f"p{number}")) for number in range(50)]
    ids = Texts.of([event["id"].encode() for event in events])
    arms = Arms(read_state(STATE, "the test").canaries).of(ids, np.ones(50, np.bool_), ids.spans)
    path, instances = "/v1/models/parcels", {"instances": events}
    with Served(config, tmp_path / "log") as server:
        server.until_ready()
        found = server.ask("/score", events).json
        assert [each["arm"] for each in found] == [("champion", "canary")[arm] for arm in arms.tolist()]
        assert {each["version"] for each in found} == {"1", "2"}
        by_version = {each["version"]: each["score"] for each in found}
        assert by_version["1"] != by_version["2"]
        for version, label in (("1", "champion"), ("2", "canary")):
            expected = {"predictions": [by_version[version]] * 50}
            assert server.ask(f"{path}/versions/{version}:predict", instances).json == expected
            assert server.ask(f"{path}/labels/{label}:predict", instances).json == expected
        assert server.ask("/v2/models/parcels").json["versions"] == ["1", "2"]
        (tmp_path / "models/parcels/rollout.yaml").write_text("champion: '2'\n")
        deadline = time.monotonic() + PATIENCE
        while {each["version"] for each in server.ask("/score", events).json} != {"2"}:
            assert time.monotonic() < deadline, "the promotion was not taken up"
        assert server.ask(f"{path}/versions/1:predict", instances).status == 404
