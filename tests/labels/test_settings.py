"""What is wrong with the settings of labels and capture is said before anything runs."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from scorer.errors import Misconfigured
from scorer.replica.check import examine
from scorer.settings import Settings, load
from tests.docs.pages import ROOT
from tests.labels.test_reading import LABEL

LABELS = {"topic": "arrivals", "schema": "label.avsc", "id": "flight", "label": "late"}


def settings(folder: Path, labels: dict[str, Any], **groups: Any) -> Settings:
    (folder / "label.avsc").write_text(json.dumps(LABEL))
    document = {
        "kafka": {
            "bootstrap_servers": "localhost:9",
            "group_id": "delays",
            "input_topics": ["flights"],
            "output_topic": "delays",
            "dead_letter_topic": "dead",
        },
        "events": {"schema": str(ROOT / "schemas/flight.avsc"), "id": "flight_id"},
        "features": {"url": "redis://localhost:9/0"},
        "model": {"path": str(ROOT / "models/flight-delays")},
        "monitor": {"topic": "monitor"},
        "labels": LABELS | labels,
        **groups,
    }
    (folder / "scorer.yaml").write_text(yaml.safe_dump(document))
    return load(folder / "scorer.yaml", {}).settings


def problems(folder: Path, labels: dict[str, Any], **groups: Any) -> list[str]:
    return [str(each) for each in examine(settings(folder, labels, **groups), offline=True).problems]


def test_check_finds_wrong_fields_of_labels(tmp_path: Path) -> None:
    assert problems(tmp_path, {"segments": ["carrier"]}) == []
    assert problems(tmp_path, {"label": "lat", "time": "late"}) == [
        "labels.label: unknown field 'lat'; did you mean 'late'?; expected a number, a boolean or an enum",
        "labels.time: 'late' is of kind boolean; expected a field of logical type timestamp-millis or -micros",
    ]
    assert problems(tmp_path, {"segments": ["origin", "zzz"]}) == [
        "labels.segments: unknown field 'zzz'; expected fields of the event or of the label with a text or a number"
    ]


def test_check_finds_that_quality_has_no_place(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, {}, monitor={})
    assert problem.startswith("monitor.topic: is not set, so there is no place for what the model's quality is")


@pytest.mark.parametrize(
    ("labels", "groups", "expected"),
    [
        ({"topic": "delays"}, {}, "labels.topic: replicas neither read nor write it"),
        ({"topic": "monitor"}, {}, "labels.topic: replicas neither read nor write it"),
        ({"state_topic": "arrivals"}, {}, "labels.state_topic: nothing else may be in it"),
        ({"framing": "confluent"}, {}, "a group registry, which labels.framing: confluent needs"),
        ({"segments": ["carrier", "carrier"]}, {}, "each field once, but carrier is listed more than once"),
        ({}, {"monitor": {"topic": "m", "capture": {"topic": "m"}}}, "monitor.capture.topic: rows are no events"),
    ],
)
def test_topics_of_labels_and_rows_are_their_own(
    tmp_path: Path, labels: dict[str, Any], groups: dict[str, Any], expected: str
) -> None:
    with pytest.raises(Misconfigured) as caught:
        settings(tmp_path, labels, **groups)
    assert expected in str(caught.value)
