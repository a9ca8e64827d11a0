"""`scorer score` on events with all columns of the model."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost
import yaml

from scorer.cli import main
from tests.files.example import KAFKA

SCHEMA = {
    "type": "record",
    "name": "Payment",
    "fields": [
        {"name": "amount", "type": "double"},
        {"name": "made", "type": ["null", {"type": "long", "logicalType": "timestamp-millis"}], "default": None},
    ],
}

Score = Callable[[Sequence[object]], list[dict[str, Any]]]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration of an unverified model that needs no features."""
    bundle = tmp_path / "models/fraud/1"
    bundle.mkdir(parents=True)
    data = np.linspace(0, 10, 50, dtype=np.float32).reshape(-1, 1)
    matrix = xgboost.DMatrix(data, data[:, 0] * 8, feature_names=["amount"])
    booster = xgboost.train({"objective": "count:poisson", "booster": "gblinear", "nthread": 1}, matrix, 20)
    booster.save_model(bundle / "model.ubj")
    (bundle / "plan.yaml").write_text("columns: [{name: amount, event: amount}]")
    (tmp_path / "event.avsc").write_text(json.dumps(SCHEMA))
    file = tmp_path / "scorer.yaml"
    events = {"schema": "event.avsc", "time": "made"}
    file.write_text(yaml.safe_dump({"kafka": KAFKA, "events": events, "model": {"path": "models/fraud"}}))
    return file


@pytest.fixture
def score(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Score:
    def run(events: Sequence[object]) -> list[dict[str, Any]]:
        source = tmp_path / "events.jsonl"
        source.write_text("\n".join(map(json.dumps, events)))
        assert main(["score", "-c", str(config), "--input", str(source)]) == 0
        return [json.loads(line, parse_constant=pytest.fail) for line in capsys.readouterr().out.splitlines()]

    return run


def test_stdout_has_predictions_and_nothing_else(score: Score) -> None:
    # The model is unverified, which is said on stderr.
    assert [set(line) >= {"event_id", "score", "model", "source_topic"} for line in score([{"amount": 2.0}])] == [True]


@pytest.mark.parametrize(
    ("made", "shown"),
    [
        (1_367_380_762_394, "2013-05-01T03:59:22.394Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (-62_135_596_800_001, -62_135_596_800_001),  # before the year 1, where no ISO 8601 text is
        (None, None),
    ],
)
def test_the_time_of_an_event_is_shown_as_in_events(score: Score, made: int | None, shown: object) -> None:
    assert score([{"amount": 1.0, "made": made}])[0]["event_time"] == shown


def test_a_score_that_is_not_finite_is_still_valid_json(score: Score) -> None:
    assert [line["score"] for line in score([{"amount": 1e30}, {"amount": -1e30}])] == ["Infinity", 0.0]


def test_an_event_that_cannot_be_scored_is_printed_with_its_reason(score: Score) -> None:
    first, second = score([{"amount": "Infinity"}, {"amount": 1}])
    assert (first["score"], first["reason"], first["event_id"]) == (None, "bad-value", "0")
    assert second["score"] > 0
    assert "reason" not in second


def test_an_output_that_cannot_be_written_is_wrong_usage(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "events.jsonl"
    source.write_text("")
    output = tmp_path / "no/folder/out.jsonl"
    assert main(["score", "-c", str(config), "--input", str(source), "--output", str(output)]) == 2
    assert f"--output: {output} cannot be written: No such file or directory" in capsys.readouterr().err


def test_an_output_file_is_unchanged_if_the_input_is_wrong(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, output = tmp_path / "events.jsonl", tmp_path / "out.jsonl"
    source.write_text('{"amount": 1}\n' * 3 + "no event\n")
    output.write_text("before")
    assert main(["score", "-c", str(config), "--input", str(source), "--output", str(output)]) == 2
    assert "events.jsonl, line 4: not JSON" in capsys.readouterr().err
    assert output.read_text() == "before"
    assert sorted(each.name for each in tmp_path.iterdir() if "part" in each.name) == []
    source.write_text('{"amount": 1}\n')
    assert main(["score", "-c", str(config), "--input", str(source), "--output", str(output)]) == 0
    assert json.loads(output.read_text())["score"] > 0


def test_control_characters_of_an_id_do_not_reach_the_terminal(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hostile, fields = "\x1b[2J\x9b2J\x7f\u202e", [*SCHEMA["fields"], {"name": "id", "type": "string"}]
    (tmp_path / "event.avsc").write_text(json.dumps(SCHEMA | {"fields": fields}))
    (tmp_path / "events.jsonl").write_text(json.dumps({"amount": 1.0, "id": hostile}))
    source = str(tmp_path / "events.jsonl")
    assert main(["score", "-c", str(config), "--set", "events.id=id", "--input", source]) == 0
    out = capsys.readouterr().out
    assert out.rstrip("\n").isprintable()
    assert json.loads(out)["event_id"] == hostile
