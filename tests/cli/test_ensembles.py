"""`scorer models ensemble`: several versions score as one, with the same bits in a file, in Python and in numpy."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost
import yaml
from numpy.typing import NDArray

import scorer
from scorer.cli import main
from scorer.scoring.combining import Ranks
from tests.files.example import KAFKA

EVENTS = [{"id": str(number), "amount": (number * 37 % 100) / 7, "speed": number / 3} for number in range(60)]
SCHEMA = {
    "type": "record",
    "name": "Payment",
    "fields": [
        {"name": "id", "type": "string"},
        {"name": "amount", "type": "double"},
        {"name": "speed", "type": "double"},
    ],
}
COLUMNS = {"1": ["amount"], "2": ["speed", "amount"], "3": ["amount"]}


class Models:
    """Three versions on disk, of which the third gives three scores, and the commands on them."""

    def __init__(self, folder: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.folder, self.config, self._capture = folder, folder / "scorer.yaml", capture
        (folder / "event.avsc").write_text(json.dumps(SCHEMA))
        (folder / "events.jsonl").write_text("\n".join(map(json.dumps, EVENTS)))
        document = {
            "kafka": KAFKA,
            "events": {"schema": "event.avsc", "id": "id"},
            "model": {"path": "models/fraud", "rollout": "file", "version": "1"},
        }
        self.config.write_text(yaml.safe_dump(document))
        for version, columns in COLUMNS.items():
            self._add(version, columns)

    def _add(self, version: str, columns: Sequence[str]) -> None:
        source = self.folder / f"new-{version}"
        source.mkdir()
        values = np.array([[event[name] for name in columns] for event in EVENTS], np.float32)
        kind = {"objective": "multi:softprob", "num_class": 3} if version == "3" else {"objective": "binary:logistic"}
        labels = np.arange(len(EVENTS)) % (3 if version == "3" else 2)
        data = xgboost.DMatrix(values, labels, feature_names=list(columns))
        booster = xgboost.train(kind | {"nthread": 1, "min_child_weight": 0}, data, 12)
        booster.save_model(source / "model.ubj")
        plan = {"columns": [{"name": name, "event": name} for name in columns]}
        (source / "plan.yaml").write_text(yaml.safe_dump(plan))
        golden = [
            {"event": event, "score": score}
            for event, score in zip(EVENTS[: 3 if version == "3" else 40], booster.predict(data).tolist(), strict=False)
        ]
        (source / "golden.jsonl").write_text("\n".join(map(json.dumps, golden)))
        files = [word for name in ("model.ubj", "plan.yaml", "golden.jsonl") for word in (name.split(".")[0], name)]
        options = [f"--{word}" if at % 2 == 0 else str(source / word) for at, word in enumerate(files)]
        self.run("add", *options, "--version", version)

    def run(self, *words: str, expect: int = 0) -> str:
        action, *rest = words
        code = main(["models", action, "-c", str(self.config), *rest])
        out = self._capture.readouterr()
        assert code == expect, out.err
        return out.err if expect else out.out

    def json(self, *words: str) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.run(*words, "--json"))
        return document

    def score(self) -> tuple[str, NDArray[np.float32]]:
        """Return the version and the scores that `scorer score` gives."""
        assert main(["score", "-c", str(self.config), "--input", str(self.folder / "events.jsonl")]) == 0
        lines = [json.loads(line) for line in self._capture.readouterr().out.splitlines()]
        (version,) = {line["version"] for line in lines}
        return version, np.array([line["score"] for line in lines], np.float32)

    def golden(self, version: str) -> list[float]:
        lines = (self.folder / f"models/fraud/{version}/golden.jsonl").read_text().splitlines()
        return [json.loads(line)["score"] for line in lines]


@pytest.fixture
def models(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Models:
    return Models(tmp_path, capsys)


def test_an_ensemble_is_the_same_in_a_file_in_python_and_in_numpy(models: Models) -> None:
    _, one = models.score()
    models.run("promote", "2")
    _, two = models.score()
    assert not np.array_equal(one, two)
    said = models.json("ensemble", "blend", "--versions", "1,2", "--weights", "0.7,0.3", "--why", "both are good")
    blend = {"versions": ["1", "2"], "combine": "mean", "weights": [0.7, 0.3]}
    assert said["ensembles"] == {"blend": blend}
    assert said["now"] == "2, ensemble blend: mean of 1 (0.7) and 2 (0.3)"
    models.run("ensemble", "ranks", "--versions", "2,1", "--combine", "rank")
    models.run("promote", "blend")
    mean = (np.float64(0.7) * one.astype(np.float64) + np.float64(0.3) * two.astype(np.float64)) / (0.7 + 0.3)
    version, scores = models.score()
    assert (version, scores.tobytes()) == ("blend", mean.astype(np.float32).tobytes())
    with scorer.load(models.config) as model:
        assert model.version == "blend"
        alone = [model.score([event])[0] for event in EVENTS]
        together = model.score(EVENTS)
    assert [each["version"] for each in alone] == ["blend"] * len(EVENTS)
    assert np.array([each["score"] for each in alone], np.float32).tobytes() == scores.tobytes()
    assert np.array([each["score"] for each in together], np.float32).tobytes() == scores.tobytes()
    models.run("promote", "ranks")
    ranks = [Ranks(models.golden(name)).of(scores) for name, scores in (("2", two), ("1", one))]
    version, scores = models.score()
    assert (version, scores.tobytes()) == ("ranks", ((ranks[0] + ranks[1]) / 2).astype(np.float32).tobytes())


def test_an_ensemble_has_a_history_and_can_be_removed(models: Models) -> None:
    models.run("ensemble", "blend", "--versions", "1,2")
    models.run("canary", "blend", "--percent", "5")
    listed = {row["version"]: row for row in models.json("list")["versions"]}
    assert listed["2"]["role"] == "in blend"
    assert "'blend' scores events" in models.run("ensemble", "blend", "--remove", expect=2)
    assert "mean of 1 and 2" in models.run("promote", "blend")
    assert [row["served"] for row in models.json("list")["versions"]] == [True, True, False]
    assert main(["check", "-c", str(models.config), "--offline"]) == 0
    models.run("rollback")
    models.run("ensemble", "blend", "--remove", "--why", "no better")
    changes = models.json("history")["changes"]
    assert [(change["action"], change["to"]) for change in changes] == [
        ("ensemble", "1, ensemble blend: mean of 1 and 2"),
        ("canary", "1, canary blend at 5%, ensemble blend: mean of 1 and 2"),
        ("promote", "blend, ensemble blend: mean of 1 and 2"),
        ("rollback", "1, ensemble blend: mean of 1 and 2"),
        ("ensemble", "1"),
    ]
    assert changes[-1]["why"] == "no better"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("both", "--versions", "1,9"), "no version '9'"),
        (("both", "--versions", "1"), "versions"),
        (("both", "--versions", "1,1"), "a version is named twice: 1, 1; give it a larger weight"),
        (("both", "--versions", "1,3"), "different numbers of scores: 1 gives 1, 3 gives 3"),
        (("both", "--versions", "1,2", "--weights", "1"), "1 weights for 2 versions"),
        (("2", "--versions", "1,2"), "'2' is the name of a version; an ensemble needs a name of its own"),
        (("both",), "expected --versions or --remove"),
        (("both", "--remove"), "there is no ensemble 'both'"),
    ],
)
def test_what_is_no_ensemble_is_refused_and_nothing_is_written(models: Models, words: Sequence[str], said: str) -> None:
    assert said in models.run("ensemble", *words, expect=2)
    assert not (models.folder / "models/fraud/rollout.yaml").exists()


def test_weights_are_above_zero(models: Models, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["models", "ensemble", "-c", str(models.config), "both", "--versions", "1,2", "--weights=0.5,0"]
    assert main(command) == 2
    assert "expected weights above 0" in capsys.readouterr().err


def test_a_rank_needs_enough_golden_scores(models: Models) -> None:
    file = models.folder / "models/fraud/2/golden.jsonl"
    file.write_text("\n".join(file.read_text().splitlines()[:10]))
    (models.folder / "models/fraud/2/manifest.json").unlink()
    said = models.run("ensemble", "both", "--versions", "1,2", "--combine", "rank", expect=2)
    assert "the golden events of version 2 have" in said
    assert "expected at least 20" in said
    assert "have no rank" in models.run("ensemble", "both", "--versions", "3,1", "--combine", "rank", expect=2)


def test_commands_that_need_one_version_say_so(models: Models, capsys: pytest.CaptureFixture[str]) -> None:
    models.run("ensemble", "blend", "--versions", "1,2")
    models.run("promote", "blend")
    assert main(["explain", "-c", str(models.config), "--input", str(models.folder / "events.jsonl")]) == 2
    said = capsys.readouterr().err
    assert "the champion is the ensemble 'blend', mean of 1 and 2" in said
    assert "set model.rollout: off, and model.version" in said
