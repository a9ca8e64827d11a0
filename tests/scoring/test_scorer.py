"""The scoring core, without any server."""

import ast
from pathlib import Path

import numpy as np
import pytest
import xgboost

from scorer.avro import prediction_json
from scorer.batch import Lookup, Reason
from scorer.errors import Unavailable
from scorer.model import Booster
from scorer.model.xgboost.booster import XGBooster
from scorer.plan import Plan
from scorer.scoring import Arm, Features, Scorer
from scorer.store import Fetch
from tests.scoring.batches import FIELDS, Row, Table, events

PLAN = Plan.parse(
    """
entities:
  plane: {key: "plane:{tailnum}", layout: hash, fields: [seats], when_missing: dead-letter}
columns:
  - {name: fare, event: fare}
  - {name: seats, entity: plane, field: seats}
""",
    "plan.yaml",
)
ARM = Arm("delays", "7", "champion", ("plane",))
ROWS: list[Row | None] = [{"tailnum": "N1", "fare": 2.0}, None, {"tailnum": "N2", "fare": 1.0}, {"tailnum": "N9"}]


@pytest.fixture(scope="module")
def booster() -> Booster:
    rng = np.random.default_rng(1)
    values = rng.random((200, 2), np.float32) * 10
    data = xgboost.DMatrix(values, values[:, 0] > values[:, 1], feature_names=["fare", "seats"])
    return XGBooster(xgboost.train({"objective": "binary:logistic", "nthread": 1}, data, 5))


def table() -> Table:
    return Table({"plane": {b"plane:N1": {"seats": 5.0}, b"plane:N2": {"seats": 0.5}}})


def scorer(booster: Booster, fetch: Fetch | None = None) -> Scorer:
    return Scorer(ARM, Features(PLAN, FIELDS, fetch or table().fetch, "impute", "wait"), booster)


def test_each_row_is_predicted_or_rejected(booster: Booster) -> None:
    outcome = scorer(booster).score(events(ROWS), 1.5)
    found = outcome.predictions
    assert found.rows.tolist() == [0, 2]
    assert [(each.row, each.reason) for each in outcome.rejected] == [(1, Reason.TRUNCATED), (3, Reason.NO_FEATURES)]
    assert (found.model, found.arms, found.scored_at) == ("delays", (("7", "champion"),), 1500)
    assert found.arm.tolist() == [0, 0, 0, 0]
    assert {each.version for each in outcome.rejected} == {"7"}
    expected = booster.score(np.array([[2, 5], [1, 0.5]], np.float32)).values
    assert found.scores[found.rows].tobytes() == expected.tobytes()
    assert outcome.matrix.lookups[0, Lookup.HIT] == 2


def test_the_same_batch_has_the_same_outcome(booster: Booster) -> None:
    first, second = (scorer(booster).score(events(ROWS), 2.0).predictions for _ in range(2))
    assert first.scores.tobytes() == second.scores.tobytes()
    assert first.scored_at == second.scored_at


def test_look_ups_use_the_given_time(booster: Booster) -> None:
    store = table()
    scorer(booster, store.fetch).score(events(ROWS), 12.25)
    assert store.times == [12.25]


def test_an_unavailable_store_is_left_to_the_caller(booster: Booster) -> None:
    store = table()
    store.down = True
    with pytest.raises(Unavailable, match="nobody at home"):
        scorer(booster, store.fetch).score(events(ROWS), 0.0)


def test_the_scorer_enters_and_leaves_its_stages_in_order(booster: Booster) -> None:
    told: list[str] = []

    class Stage:
        def __init__(self, name: str) -> None:
            self._name = name

        def __enter__(self) -> None:
            told.append(f"{self._name} begins")

        def __exit__(self, *_: object) -> None:
            told.append(f"{self._name} ends")

    watched = Scorer(ARM, Features(PLAN, FIELDS, table().fetch, "impute", "wait"), booster, Stage)
    for _ in range(2):  # a stage is entered again in each batch
        told.clear()
        watched.score(events(ROWS), 0.0)
        stages = ["keys", "look_up", "assemble", "score"]
        assert told == [f"{stage} {word}" for stage in stages for word in ("begins", "ends")]


def test_a_rejected_row_has_a_document_without_a_score(booster: Booster) -> None:
    documents = list(prediction_json(scorer(booster).score(events(ROWS), 0.0)))
    assert [document["score"] is None for document in documents] == [False, True, False, True]
    assert [document.get("reason") for document in documents] == [None, "truncated", None, "no-features"]
    assert documents[0]["source_topic"] is None
    assert documents[3]["missing"] == ["plane"]


FORBIDDEN = {"confluent_kafka", "redis", "prometheus_client", "structlog", "time", "socket"}


def test_the_core_imports_no_client_no_clock_and_no_metrics() -> None:
    for file in sorted((Path(__file__).parents[2] / "scorer/scoring").glob("*.py")):
        nodes = list(ast.walk(ast.parse(file.read_text())))
        names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
        names |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
        assert names, file.name
        assert not {name.partition(".")[0] for name in names} & FORBIDDEN, file.name
        assert not any(name.startswith(("scorer.kafka", "scorer.monitor")) for name in names), file.name
