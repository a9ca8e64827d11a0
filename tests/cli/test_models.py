"""`scorer models` on the demo's bundle, and on damaged versions of it."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost
import yaml

from scorer.cli import main
from tests.files.example import KAFKA

ROOT = Path(__file__).parents[2]
BUNDLE = ROOT / "models/flight-delays/1"


@dataclass(frozen=True)
class Workplace:
    config: Path
    models: Path
    capture: pytest.CaptureFixture[str]

    def run(self, action: str, *options: str, expect: int = 0) -> str:
        """Run a command; return what it wrote to stdout, or to stderr if it failed."""
        code = main(["models", action, "-c", str(self.config), *options])
        out = self.capture.readouterr()
        assert code == expect, out.err
        assert "Traceback" not in out.err
        assert not (expect and out.out)
        return out.err if expect else out.out

    def json(self, action: str, *options: str) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.run(action, "--json", *options))
        return document

    def add(self, *options: str, expect: int = 0, model: Path = BUNDLE / "model.ubj") -> str:
        return self.run("add", "--model", str(model), "--plan", str(BUNDLE / "plan.yaml"), *options, expect=expect)


@pytest.fixture
def place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Workplace:
    kafka = KAFKA | {"input_topics": ["flights"]}
    config = tmp_path / "scorer.yaml"
    events = {"schema": str(ROOT / "schemas/flight.avsc")}
    features = {"url": "redis://localhost:9/0"}
    document = {"kafka": kafka, "events": events, "features": features, "model": {"path": "models/flight-delays"}}
    config.write_text(yaml.safe_dump(document))
    return Workplace(config, tmp_path / "models/flight-delays", capsys)


@pytest.fixture
def golden() -> str:
    return str(BUNDLE / "golden.jsonl")


def test_an_added_version_is_verified_and_gets_the_next_number(place: Workplace, golden: str) -> None:
    assert "at the next start" in place.add("--golden", golden)
    assert "golden events get their scores" in place.add("--golden", golden)
    place.add("--version", "10")
    place.add()
    assert sorted(entry.name for entry in place.models.iterdir()) == ["1", "10", "11", "2"]
    manifest = json.loads((place.models / "2/manifest.json").read_text())
    assert set(manifest["files"]) == {"model.ubj", "plan.yaml", "golden.jsonl"}
    assert manifest["xgboost"] == xgboost.__version__
    assert manifest["objective"] == "binary:logistic"
    assert (place.models / "2/model.ubj").read_bytes() == (BUNDLE / "model.ubj").read_bytes()


def test_versions_are_listed_in_natural_order_with_their_state(place: Workplace) -> None:
    for version in ("9", "10", "11"):
        place.add("--version", version)
    (place.models / "9/manifest.json").unlink()
    with (place.models / "10/plan.yaml").open("a") as plan:
        plan.write("\n")
    listed = place.json("list")
    assert (listed["model"], listed["configured"]) == ("flight-delays", "latest")
    states = [(each["version"], each["state"], each["served"]) for each in listed["versions"]]
    assert states == [("9", "unverified", False), ("10", "broken", False), ("11", "verified", True)]
    assert "was changed since it was added" in listed["versions"][1]["why"]
    lines = place.run("list").splitlines()  # which no terminal's width cuts
    assert [line.split()[:2] for line in lines[-3:]] == [["9", "unverified"], ["10", "broken"], ["11", "verified"]]
    assert "was changed since it was added" in lines[-2]


def test_an_empty_folder_lists_nothing_and_a_missing_one_is_an_error(place: Workplace) -> None:
    assert "cannot read the folder" in place.run("list", expect=2)
    place.models.mkdir(parents=True)
    assert place.json("list")["versions"] == []


def test_an_unsupported_model_address_is_refused(place: Workplace) -> None:
    said = place.run("list", "--set", "model.path=models:/flight-delays", expect=2)
    assert said.startswith("error: model.path: cannot read models from 'models:'; expected a folder of ver")


def test_a_version_is_shown(place: Workplace) -> None:
    place.add()
    shown = place.json("show")
    assert (shown["version"], shown["state"], shown["objective"]) == ("1", "verified", "binary:logistic")
    assert shown["features"] == [column["name"] for column in shown["columns"]]
    assert {entity["name"] for entity in shown["entities"]} == {"plane", "route", "weather"}
    assert shown["trees"] > 0
    text = place.run("show", "1")
    assert "dep_delay" in text
    assert "plane:{tailnum}" in text


def test_a_version_is_verified(place: Workplace, golden: str) -> None:
    place.add("--golden", golden)
    checked = " ".join(place.json("verify")["checked"])
    assert all(word in checked for word in ("manifest.json", "loads and scores", "columns", "schema", "golden events"))
    (place.models / "1/manifest.json").unlink()
    assert "manifest.json" not in " ".join(place.json("verify", "1")["checked"])


def test_a_changed_file_fails_to_verify(place: Workplace) -> None:
    place.add()
    with (place.models / "1/model.ubj").open("ab") as model:
        model.write(b"!")
    for action in ("verify", "show"):
        assert "its sha256 is" in place.run(action, expect=2)


def test_a_mismatched_objective_fails_to_verify(place: Workplace) -> None:
    place.add()
    manifest = place.models / "1/manifest.json"
    manifest.write_text(manifest.read_text().replace("binary:logistic", "rank:ndcg"))
    assert "says the objective is 'rank:ndcg'; the model's is 'binary:logistic'" in place.run("verify", expect=2)


@pytest.mark.parametrize("action", ["show", "verify"])
def test_an_unknown_version_is_reported(place: Workplace, action: str) -> None:
    place.add()
    assert "no version '2'" in place.run(action, "2", expect=2)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda row: row["event"].pop("carrier"), "error: golden.jsonl: line 1: carrier: absent; expected text"),
        (
            lambda row: row["features"].update(plain=row["features"].pop("plane")),
            "; the plan has no feature 'plain.seats'; did you mean 'plane.seats'?",
        ),
    ],
)
def test_a_failing_golden_event_is_reported_with_the_reason(
    place: Workplace, tmp_path: Path, golden: str, change: Callable[[dict[str, Any]], object], said: str
) -> None:
    rows = map(json.loads, Path(golden).read_text().splitlines())
    row = next(row for row in rows if row["features"].get("plane"))
    change(row)
    wrong = tmp_path / "golden.jsonl"
    wrong.write_text(json.dumps(row))
    assert said in place.add("--golden", str(wrong), expect=2)


def test_an_inconsistent_bundle_is_not_added(place: Workplace, tmp_path: Path, golden: str) -> None:
    wrong = tmp_path / "golden.jsonl"
    rows = [json.loads(line) for line in Path(golden).read_text().splitlines()]
    rows[1]["score"] += 0.01
    wrong.write_text("\n".join(map(json.dumps, rows)))
    assert "line 2" in place.add("--golden", str(wrong), expect=2)

    damaged = tmp_path / "model.ubj"
    damaged.write_bytes((BUNDLE / "model.ubj").read_bytes()[:1000])
    assert "is not a usable model" in place.add(model=damaged, expect=2)

    other = tmp_path / "other.bin"
    shutil.copy(BUNDLE / "model.ubj", other)
    said = place.add("--golden", "nowhere.jsonl", model=other, expect=2)
    assert "expected a name that ends in .ubj, .json, .txt or .onnx" in said
    assert "nowhere.jsonl: no such file" in said
    assert not place.models.exists()


@pytest.mark.parametrize("version", ["1", "../2", ".2", "latest", ""])
def test_an_unusable_version_name_is_refused(place: Workplace, version: str) -> None:
    place.add()
    before = (place.models / "1/manifest.json").read_bytes()
    said = place.add(f"--version={version}", expect=2)
    assert "--version" in said
    assert (place.models / "1/manifest.json").read_bytes() == before
    assert [entry.name for entry in place.models.iterdir()] == ["1"]


def test_an_unwritable_folder_is_a_failure_without_a_traceback(place: Workplace) -> None:
    place.models.parent.mkdir()
    place.models.parent.chmod(0o755)
    place.models.touch()
    assert "cannot" in place.add("--version", "1", expect=1)


def test_everything_that_is_wrong_is_reported_at_once(place: Workplace, tmp_path: Path) -> None:
    place.add()
    plan = tmp_path / "plan.yaml"
    plan.write_text((BUNDLE / "plan.yaml").read_text().replace("event: distance}", "event: distanse}"))
    options = ["--model", str(BUNDLE / "model.ubj"), "--plan", str(plan), "--version", "1"]
    said = place.run("add", *options, expect=2)
    assert "models/flight-delays/1 exists; a version never changes" in said
    assert "unknown field 'distanse'; did you mean 'distance'?" in said


def test_show_has_the_sums_and_sizes_of_the_files_and_what_the_version_serves(place: Workplace) -> None:
    for version in "12":
        shutil.copytree(BUNDLE, place.models / version)
    shown = place.json("show", "1")
    manifest = json.loads((BUNDLE / "manifest.json").read_text())
    assert {each["file"]: each["sha256"] for each in shown["files"]} == manifest["files"]
    assert shown["files"][0]["bytes"] == (BUNDLE / "model.ubj").stat().st_size
    assert (shown["golden_events"], shown["rounds"]) == (6, "200 of 200")
    assert shown["serves"] == "nothing"
    state = "champion: '1'\ncanaries: [{version: '2', percent: 5.0, salt: a}]\nshadows: [{version: '2', sample: 0.5}]"
    (place.models / "rollout.yaml").write_text(state)
    assert place.json("show", "1")["serves"] == "champion"
    assert place.json("show", "2")["serves"] == "canary 5%, shadow 0.5"


def test_verify_says_how_the_scores_were_proved(place: Workplace, tmp_path: Path, golden: str) -> None:
    rows = [json.loads(line) for line in Path(golden).read_text().splitlines()]
    rows[2]["score"] *= 1 + 2e-6
    almost = tmp_path / "golden.jsonl"
    almost.write_text("\n".join(map(json.dumps, rows)))
    shutil.copytree(BUNDLE, place.models / "1")
    place.add("--golden", str(almost))
    checked = place.json("verify", "1")["checked"]
    assert "6 golden events get their scores exactly" in checked
    assert "the model loads and scores in a process of its own" in checked
    compiled = (
        "its compiled trees equal the booster in every bit on 10,000 random rows with missing values and extremes"
    )
    assert compiled in checked
    assert "6 golden events get their scores (5 of them exactly)" in place.json("verify", "2")["checked"]


def test_verify_says_if_xgboost_itself_scores(place: Workplace, tmp_path: Path) -> None:
    names = xgboost.Booster(model_file=BUNDLE / "model.ubj").feature_names
    data = xgboost.DMatrix(np.eye(26), np.arange(26) % 2, feature_names=names)
    linear = tmp_path / "linear.ubj"
    xgboost.train({"booster": "gblinear", "objective": "binary:logistic", "nthread": 1}, data, 2).save_model(linear)
    place.add(model=linear)
    verified = place.json("verify")
    assert "compiled" not in " ".join(verified["checked"])
    assert any("XGBoost itself scores, several times more slowly" in warning for warning in verified["warnings"])
