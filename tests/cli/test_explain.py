"""`scorer explain` on events with all columns of the model."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import xgboost
import yaml

from scorer.cli import main
from scorer.cli.shown.picture import text
from tests.files.example import KAFKA

SCHEMA = {
    "type": "record",
    "name": "Payment",
    "fields": [
        {"name": "id", "type": "string"},
        {"name": "amount", "type": ["null", "double"]},
        {"name": "country", "type": "string"},
    ],
}
PLAN = """
columns:
  - {name: amount, event: amount}
  - {name: country, event: country, categories: [DE, "<b>&US", FR]}
  - {name: double, expression: "amount * 2"}
"""
EVENTS = [
    {"id": "first", "amount": 7.5, "country": "DE"},
    {"id": "second", "amount": None, "country": "<b>&US"},
    {"id": "third", "amount": "Infinity", "country": "FR"},
    {"id": "fourth", "amount": 1.0, "country": "FR"},
]
Explain = Callable[..., str]


def train(classes: int = 0) -> xgboost.Booster:
    rng = np.random.default_rng(2)
    data = np.column_stack([rng.uniform(0, 10, 500), rng.integers(0, 3, 500), rng.uniform(0, 20, 500)])
    target = data[:, 0] * 2 + data[:, 1]
    settings: dict[str, Any] = {"objective": "reg:squarederror", "nthread": 1, "max_depth": 3}
    if classes:
        settings |= {"objective": "multi:softprob", "num_class": classes}
        target = np.digitize(target, [7, 14])
    matrix = xgboost.DMatrix(data, target, feature_names=["amount", "country", "double"])
    return xgboost.train(settings, matrix, 20)


@pytest.fixture
def explain(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Explain:
    bundle = tmp_path / "models/fraud/1"
    bundle.mkdir(parents=True)
    (bundle / "plan.yaml").write_text(PLAN)
    (tmp_path / "event.avsc").write_text(json.dumps(SCHEMA))
    (tmp_path / "events.jsonl").write_text("".join(json.dumps(each) + "\n" for each in EVENTS))
    file = tmp_path / "scorer.yaml"
    events = {"schema": "event.avsc", "id": "id"}
    file.write_text(yaml.safe_dump({"kafka": KAFKA, "events": events, "model": {"path": "models/fraud"}}))

    def run(*options: str, classes: int = 0, code: int = 0) -> str:
        train(classes).save_model(bundle / "model.ubj")
        assert main(["explain", "-c", str(file), "--input", str(tmp_path / "events.jsonl"), *options]) == code
        shown = capsys.readouterr()
        return shown.err if code else shown.out

    return run


def reference(classes: int = 0) -> tuple[Any, Any]:
    rows = np.array([[7.5, 0, 15], [np.nan, 1, np.nan], [1, 2, 2]], np.float32)
    data = xgboost.DMatrix(rows, feature_names=["amount", "country", "double"])
    booster = train(classes)
    return booster.predict(data, pred_contribs=True, strict_shape=True), booster.predict(data)


@pytest.mark.parametrize("classes", [0, 3])
def test_documents_have_every_column_that_contributed(explain: Explain, classes: int) -> None:
    first, second, third, fourth = map(json.loads, explain("--json", classes=classes).splitlines())
    assert third == {
        "event_id": "third",
        "reason": "bad-value",
        "detail": third["detail"],
    }
    parts, scores = reference(classes)
    for row, document in enumerate((first, second, fourth)):
        output = int(scores[row].argmax()) if classes else 0
        assert document["output"] == output
        assert document["base"] == pytest.approx(parts[row, output, -1], abs=1e-5)
        given = {each["column"]: each["contribution"] for each in document["contributions"]}
        for column, name in enumerate(("amount", "country", "double")):
            assert given.get(name, 0.0) == pytest.approx(parts[row, output, column], abs=1e-5)
    values = {each["column"]: (each["value"], each["shown"]) for each in second["contributions"]}
    assert values["country"] == (1.0, "<b>&US")
    assert values["amount"] == (None, "missing")


def test_one_event_by_its_id(explain: Explain) -> None:
    (only,) = explain("--json", "--event", "fourth").splitlines()
    assert json.loads(only)["event_id"] == "fourth"
    said = explain("--event", "nobody", code=2)
    assert re.search(r"--event: no event of \S+events.jsonl has the id 'nobody'", said)


def test_the_first_events(explain: Explain) -> None:
    assert [json.loads(line)["event_id"] for line in explain("--json", "-n", "2").splitlines()] == ["first", "second"]


def test_a_waterfall_leads_from_the_base_to_the_margin(explain: Explain) -> None:
    shown = explain("--event", "first", "--top", "1")
    title, bar, *_, note = shown.splitlines()
    parts, scores = reference()
    assert title == f"first  score {scores[0]:.4g}"
    strongest = int(np.abs(parts[0, 0, :-1]).argmax())
    assert bar.startswith(f"  {('amount = 7.5', 'country = DE', 'double = 15')[strongest]}")
    assert bar.endswith(f"{parts[0, 0, strongest]:+.4g}")
    assert note.startswith(f"  from {parts[0, 0, -1]:.4g}, the mean of training, to {parts[0].sum():.4g}")
    assert "not scored: bad-value" in explain("--event", "third")


def test_the_page_has_a_picture_of_each_event_and_no_markup_of_theirs(explain: Explain, tmp_path: Path) -> None:
    output = tmp_path / "page.html"
    assert explain("--output", str(output)) == ""
    page = output.read_text()
    assert page.count("<svg") == 4
    assert "&lt;b&gt;&amp;US" in page
    assert "<b>" not in page
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")  # it needs no other file


def test_a_picture_alone_is_well_formed_whatever_the_events_say(explain: Explain, tmp_path: Path) -> None:
    output = tmp_path / "picture.svg"
    assert explain("--output", str(output)) == ""
    root = ET.fromstring(output.read_text())  # noqa: S314  our own
    words = ["".join(each.itertext()) for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "country = <b>&US" in words
    assert ET.fromstring(text(0, 0, "\x07<&\ud800")).text == "\\x07<&\\ud800"  # noqa: S314  our own
    assert len([word for word in words if "score" in word and word.startswith(("first", "second", "fourth"))]) == 3
    bottom = max(float(each.get("y", 0)) for each in root)
    assert 0 < bottom < float(root.get("height", 0))
    said = explain("--output", str(tmp_path / "picture.png"), code=2)
    assert "would be a picture of kind '.png'" in said


def test_documents_and_a_page_at_once(explain: Explain, tmp_path: Path) -> None:
    assert len(explain("--json", "--output", str(tmp_path / "page.html")).splitlines()) == 4
    assert (tmp_path / "page.html").read_text().count("<svg") == 4


@pytest.mark.parametrize("classes", [0, 3])
def test_the_importance_of_columns_is_the_mean_over_the_events(explain: Explain, classes: int) -> None:
    found = json.loads(explain("--json", "--global", classes=classes))
    assert (found["events"], found["rejected"]) == (3, 1)
    parts, scores = reference(classes)
    means = np.abs(parts[:, :, :-1]).sum(axis=1).mean(axis=0)
    outputs = scores.argmax(axis=1) if classes else [0, 0, 0]
    signed = np.mean([parts[row, output, :-1] for row, output in enumerate(outputs)], axis=0)
    given = {each["column"]: each for each in found["columns"]}
    for column, name in enumerate(("amount", "country", "double")):
        assert given[name]["mean_absolute"] == pytest.approx(means[column], abs=1e-5)
        assert given[name]["mean"] == pytest.approx(signed[column], abs=1e-5)
        assert given[name]["share"] == pytest.approx(means[column] / means.sum(), abs=1e-5)
    order = [each["mean_absolute"] for each in found["columns"]]
    assert order == sorted(order, reverse=True)
    assert "over 3 events; 1 could not be scored" in explain("--global", classes=classes)


def test_without_golden_events_an_input_is_needed(explain: Explain, tmp_path: Path) -> None:
    explain()
    assert main(["explain", "-c", str(tmp_path / "scorer.yaml")]) == 2


def test_explanations_by_xgboost_itself_are_said_to_be_slow(
    explain: Explain, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    explain()
    config = str(tmp_path / "scorer.yaml")
    options = ["--set", "predictions.explain.max_bytes=0"]
    assert main(["check", "-c", config, "--offline", *options]) == 0
    assert "XGBoost itself explains predictions, 50 to 100 times more slowly" in capsys.readouterr().err
    assert main(["explain", "-c", config, "--input", str(tmp_path / "events.jsonl"), "--json", *options]) == 0
    said = capsys.readouterr()
    assert "XGBoost itself explains predictions" in said.err
    first, ours = json.loads(said.out.splitlines()[0]), json.loads(explain("--json").splitlines()[0])
    assert [each["column"] for each in first["contributions"]] == [each["column"] for each in ours["contributions"]]
    assert first["margin"] == pytest.approx(ours["margin"], abs=1e-5)


def test_a_model_that_nothing_explains_is_refused_before_the_start(
    explain: Explain, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    explain()
    rng = np.random.default_rng(3)
    names = ["amount", "country", "double"]
    matrix = xgboost.DMatrix(rng.normal(size=(50, 3)), rng.normal(size=(50, 2)), feature_names=names)
    vectors = xgboost.train({"multi_strategy": "multi_output_tree", "tree_method": "hist", "nthread": 1}, matrix, 2)
    vectors.save_model(tmp_path / "models/fraud/1/model.ubj")
    check = ["check", "-c", str(tmp_path / "scorer.yaml"), "--offline"]
    assert main(check) == 0
    assert main([*check, "--set", "predictions.explain.top=3"]) == 2
    assert "predictions.explain: XGBoost does not explain this model" in capsys.readouterr().err


def test_a_file_is_scored_with_the_explanations_that_it_asks_for(
    explain: Explain, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    everything = [json.loads(line) for line in explain("--json").splitlines()]
    limit = float(np.median(reference()[1]))  # that of one event, which is not above it
    words = ["-c", str(tmp_path / "scorer.yaml"), "--input", str(tmp_path / "events.jsonl")]
    asks = f'predictions.explain={{"top": 1, "when": {{"above": {limit!r}}}}}'
    assert main(["score", *words, "--set", asks]) == 0
    scored = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    explained = [row for row, each in enumerate(scored) if each["explanation"] is not None]
    assert explained == [row for row, each in enumerate(scored) if each["score"] is not None and each["score"] > limit]
    assert len(explained) == 1
    (strongest,) = scored[explained[0]]["explanation"]
    full = everything[explained[0]]["contributions"][0]
    assert strongest == {name: full[name] for name in strongest}
