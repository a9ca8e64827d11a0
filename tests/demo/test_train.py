import json
from pathlib import Path

import numpy as np
import pytest
import xgboost

from scorer.demo import flights, proof, tables, train
from scorer.drift import read_baseline
from scorer.model import read_golden, repository_at
from tests.demo.conftest import Flights

MODELS = Path(__file__).parents[2] / "models" / train.NAME


def test_the_committed_bundle_is_verified_and_has_the_plan_of_the_package() -> None:
    bundle = repository_at(MODELS).find()
    assert bundle.verified
    assert bundle.plan_file.read_bytes() == train.PLAN_FILE.read_bytes()
    assert bundle.model_file.stat().st_size < 1_000_000
    assert bundle.baseline_file is not None
    assert bundle.baseline_file.stat().st_size < 10_000


def test_the_committed_baseline_is_that_of_the_training(data: Flights) -> None:
    booster = xgboost.Booster(model_file=MODELS / "1/model.ubj")
    made = train.Examples.of(data.training, data.later[:10]).baseline(booster)
    assert made == read_baseline(MODELS / "1/baseline.json")
    assert made.rows == len(data.training)


def test_training_is_reproducible(data: Flights) -> None:
    some = data.training[::40].reset_index(drop=True)
    first, second = (train.train(some, rounds=15) for _ in range(2))
    assert first.save_raw() == second.save_raw()
    names, values = tables.matrix(data.later, tables.found(data.later, data.loaded))
    scores = proof.booster_scores(first, names, values)
    assert np.array_equal(scores, proof.booster_scores(second, names, values))
    assert proof.auc(data.later.late.to_numpy(), scores) > 0.85


def test_the_committed_model_predicts_delays_in_unseen_months(data: Flights) -> None:
    booster = xgboost.Booster(model_file=MODELS / "1/model.ubj")
    scores = proof.booster_scores(booster, *tables.matrix(data.later, tables.found(data.later, data.loaded)))
    late = data.later.late.to_numpy()
    assert proof.auc(late, scores) == pytest.approx(0.9075, abs=5e-4)
    assert proof.auc(late, scores) > proof.auc(late, data.later.dep_delay.to_numpy()) + 0.01


def test_each_entity_is_missing_in_some_golden_row(data: Flights) -> None:
    rows = read_golden(MODELS / "1/golden.jsonl")
    assert {name for row in rows for name in data.loaded if name not in row.features} == set(data.loaded)
    ids = [str(row.event["flight_id"]) for row in rows]
    later = data.later[data.later.flight_id.isin(ids)].reset_index(drop=True)
    booster = xgboost.Booster(model_file=MODELS / "1/model.ubj")
    scores = proof.booster_scores(booster, *tables.matrix(later, tables.found(later, data.loaded)))
    assert [row.score for row in rows] == pytest.approx(scores[[list(later.flight_id).index(one) for one in ids]])


def test_a_complete_bundle_is_added(data: Flights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flights, "read", lambda: data.training[::100].reset_index(drop=True))
    monkeypatch.setattr(flights, "FIRST_EVENT_DATE", data.training.local_date.quantile(0.8))
    folder = train.add(tmp_path, "7")
    assert folder == tmp_path / train.NAME / "7"
    manifest = json.loads((folder / "manifest.json").read_text())
    assert set(manifest["files"]) == {"model.ubj", "plan.yaml", "golden.jsonl", "baseline.json"}
    assert manifest["objective"] == "binary:logistic"
