"""Models saved by other people's notebooks, in `models add`, `check` and `score`."""

import json
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xgboost
import yaml

from scorer.cli import main
from scorer.model.bundles.manifest import Manifest, sha256

AMOUNT = "  - {name: amount, event: amount}\n"
FIELDS = {"number": "int", "text": "string", "sign": {"type": "enum", "name": "Sign", "symbols": ["DE", "FR", "US"]}}


@dataclass(frozen=True)
class Place:
    folder: Path
    capture: pytest.CaptureFixture[str]

    def train(self, values: list[Any], *, early: bool = False) -> xgboost.Booster:
        """Train on a number and a category whose values have this order, and save the model."""
        rng = np.random.default_rng(3)
        chosen = rng.integers(0, len(values), 300)
        frame = pd.DataFrame({"amount": rng.normal(size=300), "place": pd.Categorical.from_codes(chosen, values)})
        data = xgboost.DMatrix(frame, chosen % 2, enable_categorical=True)
        booster = xgboost.train({"objective": "binary:logistic", "max_depth": 3, "nthread": 1}, data, 6)
        if early:
            booster.set_attr(best_iteration="1")
        booster.save_model(self.folder / "model.ubj")
        return booster

    def plan(self, column: str) -> None:
        (self.folder / "plan.yaml").write_text(f"columns:\n{AMOUNT}  - {{name: place, {column}}}\n")

    def by_hand(self, *, manifest: dict[str, Any] | None = None) -> None:
        """Make a version without `models add`."""
        version = self.folder / "models/1"
        version.mkdir(parents=True, exist_ok=True)
        for name in ("model.ubj", "plan.yaml"):
            (version / name).write_bytes((self.folder / name).read_bytes())
        sums = {name: sha256(version / name) for name in ("model.ubj", "plan.yaml")}
        Manifest(sums).write(version / "manifest.json")
        if manifest is not None:
            document = json.loads((version / "manifest.json").read_text()) | manifest
            (version / "manifest.json").write_text(json.dumps(document))

    def run(self, *command: str, expect: int = 0) -> str:
        code = main([*command, "-c", str(self.folder / "scorer.yaml")])
        out = self.capture.readouterr()
        assert code == expect, out.err
        assert "Traceback" not in out.err
        return " ".join((out.out + out.err).split())

    def add(self, *options: str, expect: int = 0) -> str:
        files = ["--model", str(self.folder / "model.ubj"), "--plan", str(self.folder / "plan.yaml")]
        return self.run("models", "add", *files, *options, expect=expect)

    def scores(self, events: list[dict[str, object]]) -> list[float]:
        file = self.folder / "events.jsonl"
        file.write_text("\n".join(map(json.dumps, events)))
        assert main(["score", "-c", str(self.folder / "scorer.yaml"), "--input", str(file)]) == 0
        return [json.loads(line)["score"] for line in self.capture.readouterr().out.splitlines()]


@pytest.fixture
def place(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv("COLUMNS", "1000")
    kafka = {"bootstrap_servers": "localhost:9", "group_id": "g", "input_topics": ["a"], "output_topic": "b"}
    document = {
        "kafka": kafka | {"dead_letter_topic": "c"},
        "events": {"schema": "event.avsc"},
        "model": {"path": "models"},
        "log": {"format": "json"},
    }
    (tmp_path / "scorer.yaml").write_text(yaml.safe_dump(document))
    fields = [{"name": "amount", "type": "double"}, *({"name": name, "type": of} for name, of in FIELDS.items())]
    (tmp_path / "event.avsc").write_text(json.dumps({"type": "record", "name": "E", "fields": fields}))
    return Place(tmp_path, capsys)


def event(value: object) -> dict[str, object]:
    known = {"number": 0, "text": "", "sign": "DE"}
    name = "number" if isinstance(value, int) else "text"
    return {"amount": 0.5} | known | {name: value} | ({"sign": value} if value in {"DE", "FR", "US"} else {})


@pytest.mark.parametrize(
    ("values", "column"),
    [
        (["US", "FR", "DE"], "event: text, categories: [US, FR, DE]"),
        (["US", "FR", "DE"], "event: sign, categories: [US, FR, DE]"),
        ([300, 101, 205], "event: number, categories: [300, 101, 205]"),
        (["300", "101"], "event: number, categories: [300, 101]"),
        (["101", "007", "1.10"], "event: text, categories: ['101', '007', '1.10']"),
        (["é", "日本"], "event: text, categories: [é, 日本]"),
    ],
)
def test_a_category_scores_as_in_the_data_frame_of_the_notebook(values: list[Any], column: str, place: Place) -> None:
    booster = place.train(values)
    place.plan(column)
    place.add()
    frame = pd.DataFrame({"amount": 0.5, "place": pd.Categorical.from_codes(range(len(values)), values)})
    codes = [int(value) if "number" in column else value for value in values]
    expected = booster.predict(xgboost.DMatrix(frame, enable_categorical=True))
    assert place.scores([event(value) for value in codes]) == expected.astype(float).tolist()
    assert len(set(expected)) > 1


@pytest.mark.parametrize("how", ["add", "check", "score", "verify"])
@pytest.mark.parametrize(
    ("values", "column", "said"),
    [
        (
            ["US", "FR", "DE"],
            "event: text, categories: [DE, FR, US]",
            "the plan has [DE, FR, US], the model [US, FR, DE]",
        ),
        (
            ["US", "FR", "DE"],
            "event: sign, categories: [DE, FR, US]",
            "the plan has [DE, FR, US], the model [US, FR, DE]",
        ),
        ([300, 101], "event: number, categories: [101, 300]", "the plan has [101, 300], the model [300, 101]"),
        ([300, 101], "event: number", "write categories: [300, 101]"),
        ([300, 101], "event: number, categories: ['300', '101']", "give whole numbers without quotes"),
        (["300", "101"], "event: text, categories: [300, 101]", "put them in quotes"),
    ],
)
def test_other_categories_are_refused_wherever_a_bundle_is_read(
    values: list[Any], column: str, said: str, how: str, place: Place
) -> None:
    place.train(values)
    place.plan(column)
    if how == "add":
        assert said in place.add(expect=2)
        return
    place.by_hand()
    (place.folder / "events.jsonl").write_text("")
    commands = {
        "check": ["check", "--offline"],
        "score": ["score", "--input", str(place.folder / "events.jsonl")],
        "verify": ["models", "verify"],
    }
    assert said in place.run(*commands[how], expect=2)


def test_early_stopping_is_reported_and_the_manifest_records_the_rounds(place: Place) -> None:
    booster = place.train(["a", "b"], early=True)
    place.plan("event: text, categories: [a, b]")
    said = "all of its 6 rounds, but early stopping found the first 2 best"
    assert said in place.add()
    assert "rounds" not in json.loads((place.folder / "models/1/manifest.json").read_text())
    assert said in place.run("models", "show")
    assert said in place.run("check", "--offline")
    frame = pd.DataFrame({"amount": [0.5], "place": pd.Categorical(["b"], ["a", "b"])})
    row = xgboost.DMatrix(frame, enable_categorical=True)
    (place.folder / "none.jsonl").write_text("")
    assert said in place.run("score", "--input", str(place.folder / "none.jsonl"))
    assert place.scores([event("b")]) == booster.predict(row).astype(float).tolist()

    assert said not in place.add("--rounds", "best")
    assert json.loads((place.folder / "models/2/manifest.json").read_text())["rounds"] == "best"
    assert "2 of 6; early stopping found the first 2 best" in place.run("models", "show")
    assert "warning" not in place.run("check", "--offline")
    best = booster.predict(row, iteration_range=(0, 2)).astype(float).tolist()
    assert place.scores([event("b")]) == best != booster.predict(row).astype(float).tolist()

    assert said not in place.add("--rounds", "all")
    assert json.loads((place.folder / "models/3/manifest.json").read_text())["rounds"] == "all"
    place.add("--rounds", "3")
    assert json.loads((place.folder / "models/4/manifest.json").read_text())["rounds"] == 3
    assert place.run("models", "verify").count("warnings") == 0


@pytest.mark.parametrize(
    ("rounds", "said"),
    [
        ("bset", "expected best, all or a number from 1"),
        (0, "expected best, all or a number"),
        (7, "is 7, but the model has 6 rounds"),
    ],
)
def test_invalid_rounds_in_a_manifest_are_refused(rounds: object, said: str, place: Place) -> None:
    place.train(["a", "b"])
    place.plan("event: text, categories: [a, b]")
    place.by_hand(manifest={"rounds": rounds})
    assert said in place.run("check", "--offline", expect=2)
    assert said in place.add("--rounds", str(rounds), expect=2)


def test_a_damaged_model_with_a_matching_manifest_is_a_problem_and_not_a_crash(place: Place) -> None:
    place.train(["a", "b"])
    place.plan("event: text, categories: [a, b]")
    rng = np.random.default_rng(0)
    whole = (place.folder / "model.ubj").read_bytes()
    refused = 0
    for _ in range(8):
        data = bytearray(whole)
        for at in rng.integers(0, len(data), 20):
            data[at] = rng.integers(0, 256)
        (place.folder / "model.ubj").write_bytes(data)
        place.by_hand()
        code = main(["check", "--offline", "-c", str(place.folder / "scorer.yaml")])
        said = place.capture.readouterr().err
        assert "Traceback" not in said
        assert (code, "is not a usable model" in said) in {(0, False), (2, True), (2, False)}
        refused += code == 2
    assert refused >= 4


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("old.model", "XGBoost's old binary format, which XGBoost 3.1 and later cannot read"),
        ("pickled.pkl", "it is a pickle, which is never loaded"),
        ("json.ubj", "it is JSON, but its name ends in '.ubj'"),
        ("model.bst", "it is UBJSON, but its name ends in '.bst'"),
        ("dump.json", "it is the output of `dump_model`"),
    ],
)
def test_a_file_that_is_not_a_model_is_reported_with_a_remedy(name: str, said: str, place: Place) -> None:
    booster = place.train(["a", "b"])
    place.plan("event: text, categories: [a, b]")
    booster.dump_model(place.folder / "dump.json", dump_format="json")
    (place.folder / "old.model").write_bytes(b"binf" + bytes(200))
    (place.folder / "pickled.pkl").write_bytes(pickle.dumps(booster))
    (place.folder / "json.ubj").write_bytes(booster.save_raw("json"))
    (place.folder / "model.bst").write_bytes(booster.save_raw("ubj"))
    files = ["--model", str(place.folder / name), "--plan", str(place.folder / "plan.yaml")]
    assert said in place.run("models", "add", *files, expect=2)
