"""What can be loaded, where features come from, and what is said of what is wrong."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest

import scorer
from scorer.settings import load as load_settings
from tests.api.example import SCHEMA, row, store, write_example

FEATURES: dict[str, Any] = {"shop": {}, "day": {}}


def test_a_configuration_a_settings_object_and_a_bundle_score_the_same(tmp_path: Path) -> None:
    config = write_example(tmp_path, None)
    models, schema = tmp_path / "models/parcels", tmp_path / "parcel.avsc"
    loaded = [
        scorer.load(config, features=FEATURES),
        scorer.load(str(config), features=FEATURES),
        scorer.load(load_settings(config, environ={}).settings, features=FEATURES),
        scorer.load(models / "1", schema=schema, features=FEATURES),
        scorer.load(models, schema=SCHEMA, features=FEATURES),
    ]
    assert {(model.name, model.version) for model in loaded} == {("parcels", "1")}
    assert len({model.score([row()])[0]["score"] for model in loaded}) == 1


def test_the_latest_version_in_a_folder_is_loaded(tmp_path: Path) -> None:
    write_example(tmp_path, None)
    models = tmp_path / "models/parcels"
    (models / "10").symlink_to(models / "1")
    (models / "9").symlink_to(models / "1")
    assert scorer.load(models, schema=SCHEMA).version == "10"


def test_a_bundle_needs_a_schema(tmp_path: Path) -> None:
    write_example(tmp_path, None)
    with pytest.raises(scorer.Misconfigured, match=r"does not contain the schema of its events; give schema="):
        scorer.load(tmp_path / "models/parcels/1")


def test_features_are_read_from_the_given_url(tmp_path: Path, redis_url: str) -> None:
    features = store(redis_url)
    config = write_example(tmp_path, "redis://localhost:9/0")
    with scorer.load(config, features=redis_url) as model:
        found = model.score([row()])
        assert (found[0]["missing"], found[0]["degraded"]) == ([], False)
        # Those of one call stand for those of the model, in that call alone.
        assert model.score([row()], features=FEATURES)[0]["missing"] == ["shop", "day"]
        assert model.score([row()], features=features)[0]["score"] == found[0]["score"]
        assert model.score([row()])[0]["missing"] == []
    with scorer.load(config) as model, pytest.raises(scorer.Unavailable, match="localhost:9"):
        model.score([row()])


def test_the_error_for_missing_features_explains_how_to_pass_them(tmp_path: Path) -> None:
    model = scorer.load(write_example(tmp_path, None))
    with pytest.raises(scorer.Misconfigured, match=r"the plan has entities: shop, day; give features="):
        model.score([row()])


@pytest.mark.parametrize(
    ("features", "said"),
    [
        ({"shopp": {}}, "features: shopp: the plan has no such entity; did you mean 'shop'?; it has shop, day"),
        ({"shop": [1]}, "features: shop: is a list; expected {key: {feature: value}}"),
        ({"shop": {"shop:DE": 3}}, "features: shop: 'shop:DE' is a int; expected {feature: value}"),
        ({"shop": {"shop:DE": {"sales": [1], "at": 1e12}}}, "features: shop: has a value that is not a number"),
        ([], "features: is a list; expected {entity: {key: {feature: value}}}"),
    ],
)
def test_a_malformed_features_mapping_is_refused(tmp_path: Path, features: object, said: str) -> None:
    model = scorer.load(write_example(tmp_path, None))
    with pytest.raises(scorer.Misconfigured) as refused:
        model.score([row()], features=cast("Any", features))
    assert said in str(refused.value)


def test_all_problems_of_a_bundle_are_reported_together(tmp_path: Path) -> None:
    write_example(tmp_path, None)
    fields: Any = SCHEMA["fields"]
    schema = {**SCHEMA, "fields": [field for field in fields if field["name"] not in {"amount", "size"}]}
    with pytest.raises(scorer.Misconfigured) as refused:
        scorer.load(tmp_path / "models/parcels", schema=schema)
    assert "unknown field 'amount'" in str(refused.value)
    assert "unknown field 'size'" in str(refused.value)


def run(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=os.environ, capture_output=True, text=True, check=True
    )


def test_only_needed_packages_are_imported(tmp_path: Path) -> None:
    write_example(tmp_path, None)
    (tmp_path / "row.json").write_text(
        json.dumps(row() | {"sent": None, "price": 1, "day": 1, "clock": 1, "seen": 1, "photo": None})
    )
    code = """
import sys, scorer, json
sys.modules['sklearn'] = None  # which XGBoost imports where it is installed, and pandas with it
print({'numpy', 'pydantic', 'yaml', 'xgboost'} & sys.modules.keys())
model = scorer.load("scorer.yaml", features={})
model.score([json.load(open("row.json"))])
print({'pandas', 'pyarrow', 'confluent_kafka'} & sys.modules.keys())
"""
    said = run(code, tmp_path)
    assert said.stdout.splitlines() == ["set()", "set()"]
    assert "model is unverified" in said.stderr


def test_loading_a_model_leaves_the_logging_of_the_program_alone(tmp_path: Path) -> None:
    write_example(tmp_path, None)
    code = """
import structlog, logging, scorer
structlog.configure(logger_factory=lambda *_: structlog.PrintLogger())
handlers = list(logging.getLogger().handlers)
scorer.load("scorer.yaml", features={})
assert logging.getLogger().handlers == handlers
"""
    said = run(code, tmp_path)
    assert "model is unverified" in said.stdout
    assert said.stderr == ""
