"""Baselines of files: from events, and from tables of the model's columns, in the bundle and alone."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import xgboost
import yaml
from pyarrow import csv, parquet

from scorer.cli import main
from scorer.cli.actions import baselines
from scorer.drift import NUMBER, Baseline, make_baseline, read_baseline
from scorer.drift.baseline import counted
from tests.drift import oracle

CARRIERS = ["AA", "UA", "DL"]
ROWS = 3_000
SCHEMA = {
    "type": "record",
    "name": "Flight",
    "fields": [{"name": "delay", "type": ["null", "double"]}, {"name": "carrier", "type": "string"}],
}
PLAN = {
    "columns": [
        {"name": "minutes", "event": "delay"},
        {"name": "line", "event": "carrier", "categories": CARRIERS},
    ]
}


@dataclass(frozen=True)
class Place:
    folder: Path
    capture: pytest.CaptureFixture[str]

    def run(self, action: str, *options: object, expect: int = 0) -> str:
        code = main(["models", action, "-c", str(self.folder / "scorer.yaml"), *map(str, options)])
        out = self.capture.readouterr()
        assert code == expect, out.err
        return out.err if expect else out.out

    def add(self, *options: object, expect: int = 0) -> str:
        return self.run(
            "add", "--model", self.folder / "model.ubj", "--plan", self.folder / "plan.yaml", *options, expect=expect
        )


@dataclass(frozen=True)
class Events:
    delays: list[float | None]
    carriers: list[str]

    def columns(self) -> pa.Table:
        """Return them as the model's columns, categories by name."""
        return pa.table({"minutes": self.delays, "line": self.carriers, "more": range(len(self.delays))})

    def fields(self) -> pa.Table:
        return pa.table({"delay": self.delays, "carrier": self.carriers})

    def matrix(self) -> np.ndarray[Any, np.dtype[np.float32]]:
        codes = [CARRIERS.index(name) if name in CARRIERS else np.nan for name in self.carriers]
        delays = [np.nan if delay is None else delay for delay in self.delays]
        return np.array([delays, codes], np.float32).T


@pytest.fixture
def events() -> Events:
    draw = np.random.default_rng(3)
    delays = [None if each > 50 else float(each) for each in draw.normal(10, 20, ROWS).astype(np.float32)]
    return Events(delays, draw.choice([*CARRIERS, "XX"], ROWS, p=[0.5, 0.3, 0.15, 0.05]).tolist())


@pytest.fixture
def place(tmp_path: Path, events: Events, capsys: pytest.CaptureFixture[str]) -> Place:
    kinds = ["q", "c"]
    data = xgboost.DMatrix(
        events.matrix(), events.matrix()[:, 0] > 10, feature_names=["minutes", "line"], feature_types=kinds
    )
    parameters = {"objective": "binary:logistic", "max_depth": 3, "nthread": 1}
    xgboost.train(parameters, data, 10).save_model(tmp_path / "model.ubj")
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(PLAN))
    (tmp_path / "event.avsc").write_text(json.dumps(SCHEMA))
    kafka = {"bootstrap_servers": "localhost:9", "group_id": "g", "input_topics": ["in"]}
    kafka |= {"output_topic": "out", "dead_letter_topic": "dead"}
    document = {"kafka": kafka, "events": {"schema": "event.avsc"}, "model": {"path": "models/flights"}}
    (tmp_path / "scorer.yaml").write_text(yaml.safe_dump(document))
    return Place(tmp_path, capsys)


def jsonl(events: Events, file: Path) -> None:
    lines = ({"delay": delay, "carrier": name} for delay, name in zip(events.delays, events.carriers, strict=True))
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))


WRITERS: dict[str, Callable[[Events, Path], None]] = {
    "events.jsonl": jsonl,
    "events.parquet": lambda events, file: parquet.write_table(events.fields(), file),
    "events.csv": lambda events, file: csv.write_csv(events.fields(), file),
    "columns.parquet": lambda events, file: parquet.write_table(events.columns(), file),
    "columns.csv": lambda events, file: csv.write_csv(events.columns(), file),
    "coded.parquet": lambda events, file: parquet.write_table(
        pa.table({"minutes": events.delays, "line": pa.array(events.carriers).dictionary_encode()}), file
    ),
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_kind_of_file_gives_the_baseline_of_its_rows(place: Place, events: Events, name: str) -> None:
    WRITERS[name](events, place.folder / name)
    said = place.add("--baseline", place.folder / name)
    assert f"the baseline has {ROWS:,} rows" in said
    folder = place.folder / "models/flights/1"
    assert "baseline.json" in json.loads((folder / "manifest.json").read_text())["files"]
    found = read_baseline(folder / "baseline.json")
    minutes, line = found.columns
    matrix = events.matrix()
    assert list(minutes.bins) == oracle.number_bins(matrix[:, 0], minutes.edges, minutes.least, minutes.most)
    assert line.counts == tuple(events.carriers.count(carrier) for carrier in CARRIERS)
    assert (line.missing, line.unknown) == (0, events.carriers.count("XX"))
    booster = xgboost.Booster(model_file=place.folder / "model.ubj")
    data = xgboost.DMatrix(matrix, feature_names=["minutes", "line"], feature_types=["q", "c"])
    scores = booster.predict(data).reshape(-1, 1)
    assert counted(found.score_layout, scores).tolist() == list(found.scores[0].bins)
    shown = json.loads(place.run("show", "--json"))
    assert shown["baseline"] == f"{found.id}, {ROWS:,} rows"
    assert {each["file"] for each in shown["files"]} == {"model.ubj", "plan.yaml", "baseline.json"}
    assert "the files are those in manifest.json" in place.run("verify")


def test_a_baseline_is_made_alone_and_added_with_a_later_version(place: Place, events: Events) -> None:
    place.add()
    assert "none: drift is measured from the first events" in place.run("show")
    jsonl(events, place.folder / "events.jsonl")
    made = place.folder / "made.json"
    answer = json.loads(place.run("baseline", "--json", "--input", place.folder / "events.jsonl", "--output", made))
    assert answer["rows"] == ROWS
    assert [each["name"] for each in answer["columns"]] == ["minutes", "line", "score"]
    place.add("--baseline", made)
    assert read_baseline(place.folder / "models/flights/2/baseline.json").id == answer["id"]


def test_a_file_that_cannot_be_one_is_refused_and_nothing_is_added(place: Place, events: Events) -> None:
    few = place.folder / "few.jsonl"
    few.write_text('{"delay": 1.0, "carrier": "AA"}\n')
    assert "few.jsonl has 1 events that the model scores; expected at least 100" in place.add(
        "--baseline", few, expect=2
    )
    assert "'.txt' is no file of events" in place.add("--baseline", _touched(place, "x.txt"), expect=2)
    assert "no such file" in place.add("--baseline", place.folder / "absent.jsonl", expect=2)
    text = place.folder / "text.parquet"
    parquet.write_table(pa.table({"minutes": ["a"] * 200, "line": ["AA"] * 200}), text)
    assert "column minutes: has text, and the model numbers" in place.add("--baseline", text, expect=2)
    other = make_baseline({"else": NUMBER, "line": 3}, events.matrix(), events.matrix()[:, 1])
    wrong = place.folder / "other.json"
    wrong.write_text(other.text())
    assert "is of another plan: it differs in columns else, minutes" in place.add("--baseline", wrong, expect=2)
    assert not (place.folder / "models").exists()


def _touched(place: Place, name: str) -> Path:
    (place.folder / name).touch()
    return place.folder / name


def changed(base: Baseline, change: Callable[[dict[str, Any]], object]) -> str:
    document = json.loads(base.text())
    change(document)
    return json.dumps(document)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda it: it.pop("rows"), "the document has no 'rows'"),
        (lambda it: it.update(more=1), "unknown key 'more'"),
        (lambda it: it.update(form=2), "form"),
        (lambda it: it["columns"][0].update(missing=0), "the bins have"),
        (lambda it: it["columns"][0].update(missing=-1), "columns.0.missing"),
        (lambda it: it["columns"][0]["edges"].reverse(), "edges that do not ascend"),
        (lambda it: it["columns"][0]["edges"].pop(), "counts for"),
        (lambda it: it["columns"][0].update(range=[None, 1.0]), "numbers without a range"),
        (lambda it: it["columns"][0].update(range=[-1e9, -1e8]), "edges out of its range"),
        (lambda it: it["columns"][0]["edges"].__setitem__(0, float("nan")), "columns.0.edges.0"),
        (lambda it: it["columns"][1].update(categories=4), "3 counts for 4 categories"),
        (lambda it: it["columns"][1].update(edges=[1.0]), "both categories and numbers"),
        (lambda it: it["columns"].append(it["columns"][0]), "is there twice"),
        (lambda it: it["columns"].reverse(), "the order of the columns"),
        (lambda it: it["columns"][1].update(categories=None), "counts for 0 edges"),
        (lambda it: it["scores"].append(it["scores"][0]), "has 2 outputs, the model 1"),
    ],
)
def test_a_baseline_that_is_wrong_is_told_and_not_served(
    place: Place, events: Events, change: Callable[[dict[str, Any]], object], said: str
) -> None:
    base = make_baseline({"minutes": NUMBER, "line": 3}, events.matrix(), events.matrix()[:, 0])
    (place.folder / "wrong.json").write_text(changed(base, change))
    assert said in place.add("--baseline", place.folder / "wrong.json", expect=2)
    place.add()
    folder = place.folder / "models/flights/1"
    (folder / "manifest.json").unlink()
    (folder / "baseline.json").write_text(changed(base, change))
    assert said in place.run("verify", expect=2)


def test_of_too_many_rows_every_second_or_fourth_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baselines, "MOST_VALUES", 200)
    values = np.arange(1_000, dtype=np.float32).reshape(-1, 1)
    parts = [(values[at : at + 30], values[at : at + 30, 0]) for at in range(0, 1_000, 30)]
    kept, scores = baselines._held(iter(parts), 1)
    assert 100 <= len(kept) <= 200
    step = int(kept[1, 0])
    assert kept[:, 0].tolist() == list(range(0, 1_000, step))
    assert scores.tolist() == kept[:, 0].tolist()
