"""Features of Feast are placed by the names of columns, and their join keys by names or sample events."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import redis
import xgboost
import yaml

from scorer.cli import main
from scorer.store.redis.layouts.feast import field_of
from tests.plan.test_feast import feast_key
from tests.store.redis.feast_bytes import timestamp, value

CARDS, SHOPS = [f"4929-{number}" for number in range(60)], [1_000, 2_000, 70_000]
COLUMNS = ["amount", "spend", "card_stats__blocked", "shop_rating", "visits", "mystery"]
SCHEMA: dict[str, Any] = {
    "type": "record",
    "name": "Payment",
    "fields": [
        {"name": "id", "type": "string"},
        {"name": "amount", "type": "double"},
        {"name": "card", "type": "string"},
        {"name": "shop_number", "type": "long"},
    ],
}


def hashed(view: str, **features: tuple[str, object]) -> dict[Any, Any]:
    fields = {field_of(f"{view}:{name}"): value(kind, content) for name, (kind, content) in features.items()}
    return {**fields, f"_ts:{view}": timestamp(1_700_000_000)}


def fill(url: str) -> None:
    with redis.Redis.from_url(url) as client:
        for at, card in enumerate(CARDS):
            stats = hashed("card_stats", spend=("double", 62.5 + at), blocked=("bool", at % 2 == 0))
            client.hset(feast_key("fraud", {"card": ("string", card)}), mapping=stats)
            for shop in SHOPS:
                key = feast_key("fraud", {"card": ("string", card), "shop": ("int64", shop)})
                client.hset(key, mapping=hashed("card_at_shop", visits=("int64", at)))
        for shop in SHOPS:
            rated = hashed("shops", rating=("float", shop / 1000), name=("string", "Shop"))
            client.hset(feast_key("fraud", {"shop": ("int64", shop)}), mapping=rated)


def drafted(folder: Path, url: str, capsys: pytest.CaptureFixture[str], *, samples: bool, **changed: str) -> Any:
    rng = np.random.default_rng(1)
    data = xgboost.DMatrix(rng.normal(size=(300, len(COLUMNS))), rng.integers(0, 2, 300), feature_names=COLUMNS)
    xgboost.train({"max_depth": 1}, data, 1).save_model(folder / "fraud.ubj")
    fields = [{**field, "name": changed.get(str(field["name"]), field["name"])} for field in SCHEMA["fields"]]
    (folder / "payment.avsc").write_text(json.dumps({**SCHEMA, "fields": fields}))
    events = [
        {"id": f"e{at}", "amount": 1.0, "card": CARDS[at % 60], "shop_number": SHOPS[at % 3]} for at in range(120)
    ]
    named = [{changed.get(name, name): content for name, content in event.items()} for event in events]
    (folder / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in named))
    options = ["--model", str(folder / "fraud.ubj"), "--schema", str(folder / "payment.avsc"), "--redis", url]
    options += ["--output", str(folder / "draft")] + (["--events", str(folder / "events.jsonl")] if samples else [])
    assert main(["init", *options, "--json"]) == 0, capsys.readouterr().err
    answer = json.loads(capsys.readouterr().out)
    assert answer["problems"] == []
    return yaml.safe_load((folder / "draft/plan.yaml").read_text())


def sources(plan: Any) -> dict[str, str | None]:
    return {column["name"]: column.get("field") for column in plan["columns"] if "entity" in column}


def without_why(entity: Mapping[str, Any]) -> dict[str, Any]:
    return {name: entity[name] for name in ("layout", "project", "key", "fields")}


def test_features_and_join_keys_are_placed(redis_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(redis_url)
    plan = drafted(tmp_path, redis_url, capsys, samples=True)
    assert sources(plan) == {
        "spend": "card_stats:spend",
        "card_stats__blocked": "card_stats:blocked",
        "shop_rating": "shops:rating",
        "visits": "card_at_shop:visits",
    }
    by_key = {tuple(entity["key"]): without_why(entity) for entity in plan["entities"].values()}
    shop = {"type": "int64", "event": "shop_number"}
    assert by_key == {
        ("card",): {
            "layout": "feast",
            "project": "fraud",
            "key": {"card": "string"},
            "fields": ["card_stats:spend", "card_stats:blocked"],
        },
        ("shop",): {"layout": "feast", "project": "fraud", "key": {"shop": shop}, "fields": ["shops:rating"]},
        ("card", "shop"): {
            "layout": "feast",
            "project": "fraud",
            "key": {"card": "string", "shop": shop},
            "fields": ["card_at_shop:visits"],
        },
    }


def test_sample_events_tell_join_keys_of_other_names(
    redis_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(redis_url)
    plan = drafted(tmp_path, redis_url, capsys, samples=True, card="pan", shop_number="merchant")
    keys = [entity["key"] for entity in plan["entities"].values()]
    pan, merchant = {"type": "string", "event": "pan"}, {"type": "int64", "event": "merchant"}
    assert keys == [{"card": pan}, {"card": pan, "shop": merchant}] or keys[::-1] == [
        {"card": pan},
        {"card": pan, "shop": merchant},
    ]
    assert "shop_rating" not in sources(plan)  # three shops prove nothing


def test_a_join_key_that_nothing_tells_is_open(
    redis_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(redis_url)
    plan = drafted(tmp_path, redis_url, capsys, samples=False, card="pan", shop_number="merchant")
    assert sources(plan) == {}
    assert "entities" not in plan


def test_a_name_that_sample_events_contradict_is_open(
    redis_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(redis_url)
    plan = drafted(tmp_path, redis_url, capsys, samples=True, card="pan", id="card")
    assert "spend" not in sources(plan)
