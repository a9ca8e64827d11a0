"""`scorer models diff`: plans, models, and scores of the same events, against `scorer score` of each version."""

import json
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import redis
import xgboost
import yaml
from confluent_kafka import Producer

from scorer.cli import main
from scorer.cli.actions.diff import SameFeatures
from scorer.plan import Entity, Plan
from scorer.sandbox import Kafka
from scorer.store import Reply, Request
from tests.cli.test_tail import PREDICTION, PREDICTIONS, avro
from tests.conftest import MakeTopic
from tests.files.example import KAFKA

SCHEMA = {
    "type": "record",
    "name": "Payment",
    "fields": [
        {"name": "id", "type": "string"},
        {"name": "amount", "type": ["null", "double"]},
        {"name": "card", "type": "string"},
        {"name": "bonus", "type": ["null", "double"], "default": None},
    ],
}
CARD = 'entities: {card: {key: "card:{card}", layout: hash, fields: [spend]}}\n'
PLANS = {
    "1": CARD + "columns: [{name: amount, event: amount}, {name: spend, entity: card, field: spend}]",
    "2": CARD
    + "columns: [{name: amount, event: amount, default: 1}, {name: spend, entity: card, field: spend},"
    + ' {name: ratio, expression: "amount / (spend + 1)"}]',
}
EVENTS = 400
Answer = dict[str, Any]
Diff = Callable[..., str]


def trained(columns: int, classes: int = 0, seed: int = 1) -> xgboost.Booster:
    chance = np.random.default_rng(seed)
    rows = chance.gamma(2, 20, (500, columns))
    label = chance.integers(0, classes, 500) if classes else rows[:, 0] > 2 * rows[:, 1]
    how = {"objective": "multi:softprob", "num_class": classes} if classes else {"objective": "binary:logistic"}
    data = xgboost.DMatrix(rows, label, feature_names=["amount", "spend", "ratio"][:columns])
    return xgboost.train(how | {"max_depth": 3, "nthread": 1}, data, 8 + columns)


@pytest.fixture
def folder(tmp_path: Path, redis_url: str) -> Path:
    for version, plan in PLANS.items():
        bundle = tmp_path / "models/fraud" / version
        bundle.mkdir(parents=True)
        (bundle / "plan.yaml").write_text(plan)
        trained(1 + int(version)).save_model(bundle / "model.ubj")
    (tmp_path / "payment.avsc").write_text(json.dumps(SCHEMA))
    chance = np.random.default_rng(2)
    with (tmp_path / "events.jsonl").open("w") as file, redis.Redis.from_url(redis_url) as client:
        for number in range(EVENTS):
            amount = None if number % 50 == 0 else float(chance.gamma(2, 20))
            event = {"id": f"e{number}", "amount": amount, "card": str(number % 40)}
            file.write(json.dumps(event) + "\n")
        for card in range(35):
            client.hset(f"card:{card}", "spend", float(chance.gamma(2, 20)))
    document = {
        "kafka": KAFKA,
        "events": {"schema": "payment.avsc", "id": "id"},
        "features": {"url": redis_url, "timeout_ms": 30_000},  # the machine may be busy
        "model": {"path": "models/fraud"},
        "batch": {"max_records": 64},
    }
    (tmp_path / "scorer.yaml").write_text(yaml.safe_dump(document))
    return tmp_path


@pytest.fixture
def diff(folder: Path, capsys: pytest.CaptureFixture[str]) -> Diff:
    """Return what runs the command, and returns what it wrote to stdout, or to stderr if it failed."""

    def run(*options: str, code: int = 0, before: str = "1", after: str = "2") -> str:
        words = ["models", "diff", before, after, "-c", str(folder / "scorer.yaml"), *options]
        assert main(words) == code
        shown = capsys.readouterr()
        return shown.err if code else shown.out

    return run


def scored(folder: Path, version: str, capsys: pytest.CaptureFixture[str]) -> list[Answer]:
    words = ["-c", str(folder / "scorer.yaml"), "--input", str(folder / "events.jsonl")]
    assert main(["score", *words, "--set", f"model.version={version}"]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def events(folder: Path) -> str:
    return f"--input={folder / 'events.jsonl'}"


def test_models_and_plans_are_compared_without_servers_or_a_schema(folder: Path, diff: Diff) -> None:
    (folder / "payment.avsc").unlink()
    found = json.loads(diff("--json", "--set", "features.url=redis://localhost:9/0"))
    assert [found[side]["columns"] for side in ("before", "after")] == [2, 3]
    assert [found[side]["rounds"] for side in ("before", "after")] == ["10 of 10", "11 of 11"]
    assert [found[side]["bytes"] for side in ("before", "after")] == [
        (folder / "models/fraud" / version / "model.ubj").stat().st_size for version in "12"
    ]
    assert found["plan"] == [
        {"kind": "column", "name": "amount", "change": "changed", "before": {}, "after": {"default": 1.0}},
        {
            "kind": "column",
            "name": "ratio",
            "change": "added",
            "before": None,
            "after": {"expression": "amount / (spend + 1)"},
        },
    ]
    assert "scores" not in found
    importance = {row["column"]: (row["before"], row["after"]) for row in found["importance"]}
    assert importance["ratio"][0] is None
    for side in (0, 1):
        assert sum(pair[side] or 0 for pair in importance.values()) == pytest.approx(1)
    shown = diff()
    assert "  ~ column amount  default: none is now 1.0" in shown
    assert "  + column ratio   {expression: amount / (spend + 1)}" in shown
    assert "plan: no difference" in diff(after="1")


def test_the_scores_are_those_of_each_version(folder: Path, diff: Diff, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(diff("--json", events(folder)))["scores"]
    old, new = (scored(folder, version, capsys) for version in "12")
    both = [(float(a["score"]), float(b["score"])) for a, b in zip(old, new, strict=True)]
    assert (found["events"], found["compared"], found["degraded"]) == (EVENTS, EVENTS, 0)
    (output,) = found["outputs"]
    assert output["mean"]["before"] == pytest.approx(np.mean([pair[0] for pair in both]), abs=1e-12)
    assert output["mean"]["after"] == pytest.approx(np.mean([pair[1] for pair in both]), abs=1e-12)
    assert output["correlation"] == pytest.approx(np.corrcoef(np.transpose(both))[0, 1])
    apart = [(abs(b - a), each["event_id"]) for (a, b), each in zip(both, old, strict=True)]
    apart.sort(key=lambda pair: -pair[0])
    assert found["largest"][0]["event_id"] == apart[0][1]
    assert [each["difference"] for each in found["largest"]] == pytest.approx([each[0] for each in apart[:10]])
    shown = diff(events(folder))
    assert f"scores of {EVENTS} events" in shown
    assert f"PSI {output['psi']:.4f}, correlation {output['correlation']:.4f}" in shown
    assert re.search(rf"^  {apart[0][1]} ", shown, re.MULTILINE)


def test_a_version_scores_as_itself_with_features_that_are_read_once(folder: Path, diff: Diff, redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.config_resetstat()
        found = json.loads(diff("--json", events(folder), after="1"))["scores"]
        read = cast("Answer", client.info("commandstats"))["cmdstat_hmget"]["calls"]
    assert read == 40 * (EVENTS // 64) + EVENTS % 64, "40 cards in each batch of 64 events, and those of the last"
    (output,) = found["outputs"]
    assert (output["equal"], output["psi"], output["mean_absolute_difference"]) == (EVENTS, 0, 0)
    assert (found["largest"], output["rank_correlation"]) == ([], pytest.approx(1))


def test_events_that_a_version_rejects_are_counted_and_not_compared(folder: Path, diff: Diff) -> None:
    plan = folder / "models/fraud/2/plan.yaml"
    plan.write_text(plan.read_text().replace("fields: [spend]", "fields: [spend], when_missing: dead-letter"))
    found = json.loads(diff("--json", events(folder)))["scores"]
    assert found["before"] == {"scored": EVENTS, "rejected": {}}
    assert found["after"] == {"scored": EVENTS - 50, "rejected": {"no-features": 50}}
    assert found["compared"] == found["outputs"][0]["events"] == EVENTS - 50
    assert "version 2 rejected 50 of 400 events: no-features" in diff(events(folder))


def test_each_class_is_compared(folder: Path, diff: Diff) -> None:
    for version in "12":
        trained(1 + int(version), classes=3).save_model(folder / "models/fraud" / version / "model.ubj")
    found = json.loads(diff("--json", events(folder)))["scores"]
    assert len(found["outputs"]) == len(found["largest"][0]["before"]) == 3
    assert "scores of output 2 of 400 events of" in diff(events(folder))


def test_versions_with_other_numbers_of_scores_are_not_compared_by_them(folder: Path, diff: Diff) -> None:
    trained(3, classes=3).save_model(folder / "models/fraud/2/model.ubj")
    said = diff(events(folder), code=2)
    assert "version 1 gives 1 and version 2 gives 3; leave it out to compare plans and models" in said
    assert json.loads(diff("--json"))["after"]["outputs"] == 3


def test_an_outage_of_the_store_is_said(folder: Path, diff: Diff) -> None:
    away = ["--set", "features.url=redis://localhost:9/0", "--set", "features.when_unavailable=impute"]
    assert json.loads(diff("--json", events(folder), *away))["scores"]["degraded"] == EVENTS
    assert "400 events were scored without features: the store did not answer" in diff(events(folder), *away)


@pytest.mark.parametrize("name", ["diff.svg", "diff.html"])
def test_the_picture_shows_both_versions(folder: Path, diff: Diff, name: str) -> None:
    shown = diff(events(folder), f"--output={folder / name}")
    assert "importance" in shown
    drawn = (folder / name).read_text()
    svg = ET.fromstring(re.sub("^.*<h2>scores.*?(?=<svg)|(?<=</svg>).*$", "", drawn, flags=re.DOTALL))  # noqa: S314  our own
    words = ["".join(each.itertext()) for each in svg.iter("{http://www.w3.org/2000/svg}text")]
    assert {"version 1", "version 2"} <= {*words}
    numbers = json.loads(diff("--json", events(folder)))["scores"]["outputs"][0]["histogram"]
    shares = [f"{share:.1%}" for pair in zip(numbers["before"], numbers["after"], strict=True) for share in pair]
    assert [word for word in words if word.endswith("%")][:40] == shares
    assert ("importance" in " ".join(words)) == name.endswith("svg")
    assert "importance" in drawn


def prediction(number: int, version: str, score: float | list[float], at: int) -> bytes:
    arm = {"1": "champion", "2": "shadow"}[version]
    where = {"source_partition": 1, "source_offset": number, "event_id": f"e{number}"}
    return avro(PREDICTION, PREDICTIONS[0] | where | {"version": version, "arm": arm, "score": score, "scored_at": at})


def test_what_a_shadow_said_is_compared_with_what_users_got(diff: Diff, kafka: Kafka, make_topic: MakeTopic) -> None:
    topics = {"kafka.output_topic": make_topic("scores"), "predictions.shadow_topic": make_topic("shadow")}
    place = ["--stream", "--set", f"kafka.bootstrap_servers={kafka.bootstrap}"]
    place += [word for name, topic in topics.items() for word in ("--set", f"{name}={topic}")]
    assert "have no event that both versions scored" in diff(*place)
    output, shadow = topics.values()
    now = int(time.time() * 1000)
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    producer.produce(output, prediction(200, "1", 0.0, now - 3_600_000), timestamp=now - 3_600_000)
    producer.produce(shadow, prediction(200, "2", 1.0, now - 3_600_000), timestamp=now - 3_600_000)
    for number in range(100):
        at = now - 1000 + number
        producer.produce(output, prediction(number, "1" if number < 80 else "2", number / 100, at), timestamp=at)
        if number % 2:
            producer.produce(shadow, prediction(number, "2", number / 200, at), timestamp=at)
    producer.produce(shadow, b"no prediction")
    assert producer.flush(10) == 0
    found = json.loads(diff("--json", *place))["scores"]
    assert (found["events"], found["compared"]) == (50, 40)
    assert found["input"] == f"{output} and {shadow}"
    assert found["outputs"][0]["mean"]["before"] == pytest.approx(np.mean(np.arange(1, 80, 2) / 100))
    assert found["outputs"][0]["mean"]["after"] == pytest.approx(np.mean(np.arange(1, 80, 2) / 200))
    assert (found["largest"][0]["event_id"], found["largest"][0]["before"]) == ("e79", pytest.approx(0.79))
    turned = json.loads(diff("--json", *place, before="2", after="1"))["scores"]
    assert turned["outputs"][0]["mean"]["after"] == found["outputs"][0]["mean"]["before"]
    assert "40 of 50 events were scored by both" in diff(*place)
    assert json.loads(diff("--json", "--minutes", "90", *place))["scores"]["compared"] == 41


def test_without_a_shadow_topic_there_is_nothing_to_compare(diff: Diff) -> None:
    assert "--stream: predictions.shadow_topic is not set" in diff("--stream", code=2)


def test_a_picture_of_another_kind_is_refused(folder: Path, diff: Diff) -> None:
    said = diff(f"--output={folder / 'diff.png'}", code=2)
    assert "would be a picture of kind '.png'; use a name that ends in .html or .svg" in said
    assert not (folder / "diff.png").exists()


@pytest.mark.parametrize("versions", [("1", "9"), ("9", "1")])
def test_an_unknown_version_is_reported(diff: Diff, versions: tuple[str, str]) -> None:
    assert "no version '9'" in diff(before=versions[0], after=versions[1], code=2)


def test_a_plan_of_other_columns_is_reported(folder: Path, diff: Diff) -> None:
    (folder / "models/fraud/2/plan.yaml").write_text(PLANS["1"])
    assert "ratio" in diff(code=2)


def test_both_versions_see_the_same_features() -> None:
    plan = Plan.parse(CARD + "columns: [{name: spend, entity: card, field: spend}]", "plan")
    (card,), asked = plan.entities, list[list[tuple[Entity, list[bytes]]]]()
    other = Plan.parse(CARD.replace("card:{", "shop:{") + "columns: [{name: s, entity: card, field: spend}]", "p")

    def fetch(requests: Sequence[Request], now: float) -> list[Reply]:
        assert now == 0
        asked.append([(each.entity, list(each.keys)) for each in requests])
        return [Reply(np.full((1, 1), len(asked)), np.zeros((1, 1), bool), np.zeros(1, np.uint8)) for _ in requests]

    same = SameFeatures(fetch)
    (first,) = same.fetch([Request(card, [b"card:1"])], 0.0)
    assert same.fetch_again([Request(card, [b"card:1"])], 0.0)[0] is first
    assert len(asked) == 1
    shop, again = same.fetch_again([Request(other.entities[0], [b"shop:1"]), Request(card, [b"card:1"])], 0.0)
    assert (again is first, shop.values[0, 0], asked[1]) == (True, 2, [(other.entities[0], [b"shop:1"])])
    same.fetch([Request(card, [b"card:2"])], 0.0)
    assert same.fetch_again([Request(card, [b"card:1"])], 0.0)[0] is not first
