"""`scorer features load`, from a configuration to Redis."""

import json
from pathlib import Path

import pytest
import redis
import yaml

from scorer.cli import main
from tests.cli.stream import SCHEMA

PLAN = """
entities:
  card: {key: "card:{card.number}", layout: hash, fields: [spend], max_age: 60, updated: changed}
columns:
  - {name: spend, entity: card, field: spend}
"""


def configured(folder: Path, url: str | None, plan: str = PLAN) -> str:
    (folder / "payment.avsc").write_text(json.dumps(SCHEMA))
    bundle = folder / "model" / "1"
    bundle.mkdir(parents=True)
    (bundle / "plan.yaml").write_text(plan)
    (bundle / "model.ubj").touch()  # loading features needs no model
    topics = {"input_topics": ["in"], "output_topic": "out", "dead_letter_topic": "dead"}
    settings: dict[str, object] = {
        "kafka": {"bootstrap_servers": "127.0.0.1:1", "group_id": "g", **topics},
        "events": {"schema": "payment.avsc"},
        "model": {"path": "model"},
    }
    if url:
        settings["features"] = {"url": url}
    file = folder / "scorer.yaml"
    file.write_text(yaml.safe_dump(settings))
    return str(file)


def load(config: str, file: Path, text: str, entity: str = "card") -> int:
    file.write_text(text)
    return main(["features", "load", "-c", config, "--entity", entity, "--input", str(file)])


def test_a_file_is_loaded_and_counted(redis_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = configured(tmp_path, redis_url)
    assert load(config, tmp_path / "cards.csv", "card.number,spend\n7,1.5\n8,\n") == 0
    with redis.Redis.from_url(redis_url) as client:
        assert client.hget("card:7", "spend") == b"1.5"
        assert client.hkeys("card:8") == [b"changed"]
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [
        "note: 2 lines have no 'changed', so the current time was used",
        "2 lines of cards.csv loaded as features of 'card'",
    ]


def test_wrong_lines_are_wrong_usage(redis_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = configured(tmp_path, redis_url)
    assert load(config, tmp_path / "cards.csv", "card.number,spend\n7,1.5\n8,much\n") == 2
    assert "cards.csv: line 3, column 'spend': 'much'; expected a number, or nothing" in capsys.readouterr().err
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0


def test_anything_that_prevents_loading_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cards = tmp_path / "cards.csv", "card.number,spend\n7,1.5\n"
    (tmp_path / "a").mkdir()
    assert load(configured(tmp_path / "a", "redis://:s3cret@127.0.0.1:1"), *cards) == 1
    said = capsys.readouterr().err
    assert "cannot connect to Redis at 127.0.0.1:1" in said
    assert "s3cret" not in said

    assert load(str(tmp_path / "a" / "scorer.yaml"), *cards, entity="cart") == 2
    assert "no entity 'cart'; did you mean 'card'?" in capsys.readouterr().err

    (tmp_path / "b").mkdir()
    assert load(configured(tmp_path / "b", None), *cards) == 2
    assert "set features.url to the address of Redis" in capsys.readouterr().err

    (tmp_path / "c").mkdir()
    assert load(configured(tmp_path / "c", "redis://h", PLAN.replace("card.number", "card.nmber")), *cards) == 2
    assert "card.number" in capsys.readouterr().err


def test_features_kept_by_feast_are_not_loaded(
    redis_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entity = "{layout: feast, project: p, key: {number: {type: int64, event: card.number}}, fields: [stats:spend]}"
    plan = f"entities: {{card: {entity}}}\ncolumns: [{{name: spend, entity: card, field: stats:spend}}]"
    assert load(configured(tmp_path, redis_url, plan), tmp_path / "cards.csv", "number,spend\n7,1.5\n") == 2
    said = capsys.readouterr().err
    assert "entities.card: its features have layout feast, which `scorer features load` does not write" in said
    assert "Feast's `materialize` does" in said
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0
