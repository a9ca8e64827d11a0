"""`scorer bench`, on its own sandbox."""

import json
from pathlib import Path

import numpy as np
import pytest
import redis
import xgboost
import yaml

from scorer.cli import main
from scorer.monitor.stages import OUTSIDE, REST, STAGES
from scorer.sandbox import Redis

SCHEMA = {
    "type": "record",
    "name": "Payment",
    "fields": [{"name": "amount", "type": "double"}, {"name": "card", "type": "string"}],
}
PLAN = {
    "entities": {"card": {"key": "card:{card}", "layout": "hash", "fields": ["spend"]}},
    "columns": [{"name": "amount", "event": "amount"}, {"name": "spend", "entity": "card", "field": "spend"}],
}
# Of brokers that are never asked, however hard it is to log in there.
KAFKA = {
    "bootstrap_servers": "broker.invalid:9092",
    "group_id": "fraud",
    "input_topics": ["payments", "refunds"],
    "output_topic": "scores",
    "dead_letter_topic": "dead",
    "properties": {"security.protocol": "SASL_SSL", "sasl.mechanism": "PLAIN", "sasl.password": "pa$$word"},
}
NOBODY = "redis://127.0.0.1:9/0"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration of an unverified model."""
    bundle = tmp_path / "models/fraud/1"
    bundle.mkdir(parents=True)
    data = np.random.default_rng(1).random((64, 2), np.float32)
    matrix = xgboost.DMatrix(data, data[:, 0] > data[:, 1], feature_names=["amount", "spend"])
    xgboost.train({"objective": "binary:logistic", "nthread": 1}, matrix, 3).save_model(bundle / "model.ubj")
    (bundle / "plan.yaml").write_text(yaml.safe_dump(PLAN))
    (tmp_path / "event.avsc").write_text(json.dumps(SCHEMA))
    file = tmp_path / "scorer.yaml"
    settings = {
        "kafka": KAFKA,
        "events": {"schema": "event.avsc"},
        "features": {"url": NOBODY},
        "model": {"path": "models/fraud"},
        "http": None,
    }
    file.write_text(yaml.safe_dump(settings))
    return file


def payments(folder: Path, events: int) -> str:
    file = folder / "payments.jsonl"
    file.write_text("".join(json.dumps({"amount": n / 8, "card": f"c{n % 5}"}) + "\n" for n in range(events)))
    return str(file)


@pytest.mark.prove
def test_one_document_shows_how_the_time_is_spent(
    config: Path, redis_server: Redis, redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with redis.Redis.from_url(redis_url) as client:
        for card in range(4):  # of five
            client.hset(f"card:c{card}", "spend", str(card))
        before = client.info("keyspace"), client.dbsize()
        given = ["--input", payments(config.parent, 1500), "--set", f"features.url={redis_server.url}", "--json"]
        assert main(["bench", "-c", str(config), "--events", "6000", *given]) == 0
        assert (client.info("keyspace"), client.dbsize()) == before
    said = json.loads(capsys.readouterr().out)
    assert (said["events"], said["dead_letters"], said["concerns"]) == (6000, 0, [])
    assert (said["model"], said["version"], said["max_records"]) == ("fraud", "1", 2_000)
    assert said["hits"] == pytest.approx(0.8)
    assert 0 < said["measured_events"] <= 6000
    stages = said["stages"]
    assert list(stages) == [*STAGES, REST, OUTSIDE]
    for stage in STAGES:
        assert stages[stage]["wall_us"] > 0
        assert stages[stage]["cpu_us"] >= 0
    assert sum(stage["cpu_us"] for stage in stages.values()) == pytest.approx(said["cpu_us"], abs=0.02)
    assert sum(stage["wall_us"] for stage in stages.values()) == pytest.approx(said["wall_us"], abs=0.02)
    assert said["events_per_second"] == pytest.approx(1e6 / said["wall_us"], rel=0.01)
    assert stages[said["limit"]]["wall_us"] == max(stages[stage]["wall_us"] for stage in STAGES)


def test_the_table_is_printed_with_the_bottleneck_and_warnings(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "-c", str(config), "--events", "20", "--input", payments(config.parent, 10)]) == 0
    said = capsys.readouterr()
    assert "look-up in Redis" in said.out
    assert "bottleneck: " in said.out
    assert "only 10 distinct events, so keys repeat" in said.err
    assert "an empty Redis was used instead, so every look-up is a miss" in said.err


@pytest.mark.prove
def test_the_golden_events_of_the_bundle_are_used_without_a_file(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "-c", str(config)]) == 2
    assert "--input: missing, and the bundle has no golden events to use instead" in capsys.readouterr().err
    booster = xgboost.Booster(model_file=config.parent / "models/fraud/1/model.ubj")
    row = xgboost.DMatrix(np.array([[0.5, np.nan]], np.float32), feature_names=["amount", "spend"])
    golden = {"event": {"amount": 0.5, "card": "c0"}, "score": float(booster.predict(row)[0])}
    (config.parent / "models/fraud/1/golden.jsonl").write_text(json.dumps(golden) + "\n")
    assert main(["bench", "-c", str(config), "--events", "30", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["events"] == 30


@pytest.mark.parametrize(
    ("lines", "told"),
    [("", "payments.jsonl has no events"), ('{"amount": "much", "card": "c"}\n', "payments.jsonl, line 1")],
)
def test_invalid_events_are_wrong_usage(
    config: Path, lines: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = config.parent / "payments.jsonl"
    file.write_text(lines)
    assert main(["bench", "-c", str(config), "--input", str(file)]) == 2
    assert told in capsys.readouterr().err


@pytest.mark.prove
def test_a_replica_that_exits_by_itself_is_reported(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = ["--set", "kafka.max_dead_letter_ratio=0", "--set", "features.when_missing=dead-letter"]
    assert main(["bench", "-c", str(config), "--input", payments(config.parent, 10), *settings]) == 1
    said = capsys.readouterr().err
    assert "exited with code 1" in said
    assert "exceeds kafka.max_dead_letter_ratio" in said
