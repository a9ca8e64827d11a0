"""`scorer check`: the problems that it finds, that it reports each once, and its exit codes."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost
import yaml

from scorer.cli import main
from scorer.kafka import Admin
from scorer.sandbox import Kafka
from tests.conftest import MakeTopic

SCHEMA = {
    "type": "record",
    "name": "Payment",
    "fields": [{"name": "amount", "type": "double"}, {"name": "card", "type": "string"}],
}
AMOUNT = {"name": "amount", "event": "amount"}
SPEND = {"name": "spend", "entity": "card", "field": "spend"}
CARD = {"key": "card:X:{card}", "layout": "hash", "fields": ["spend"]}
OFFLINE = "--offline"

Check = Callable[..., tuple[int, list[str]]]


@pytest.fixture
def check(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Check:
    """Checks a configuration with some settings changed; returns the exit code and the output."""
    monkeypatch.setattr("scorer.replica.check.Admin", partial(Admin, seconds=3))
    data = np.random.default_rng(0).normal(size=(20, 2)).astype(np.float32)
    matrix = xgboost.DMatrix(data, data[:, 0], feature_names=["amount", "spend"])
    bundle = tmp_path / "models/fraud/1"
    bundle.mkdir(parents=True)
    xgboost.train({"nthread": 1}, matrix, 2).save_model(bundle / "model.ubj")
    (tmp_path / "event.avsc").write_text(json.dumps(SCHEMA))

    def run(*options: str, plan: Any = None, kafka: Any = None, features: Any = None) -> tuple[int, list[str]]:
        plan = plan or {"entities": {"card": CARD}, "columns": [AMOUNT, SPEND]}
        (bundle / "plan.yaml").write_text(yaml.safe_dump(plan))
        names = {"input_topics": ["in"], "output_topic": "out", "dead_letter_topic": "dead"}
        document = {
            "kafka": {"bootstrap_servers": "127.0.0.1:1", "group_id": "g"} | names | (kafka or {}),
            "events": {"schema": "event.avsc"},
            "features": features or {"url": "redis://127.0.0.1:1/0"},
            "model": {"path": "models/fraud"},
        }
        file = tmp_path / "scorer.yaml"
        file.write_text(yaml.safe_dump(document))
        code = main(["check", "-c", str(file), *options])
        out, err = capsys.readouterr()
        assert not out
        return code, err.splitlines()

    return run


def told(lines: list[str], word: str) -> list[str]:
    return [line.removeprefix(word).strip() for line in lines if line.startswith(word)]


def test_a_valid_configuration_is_ready_offline(check: Check) -> None:
    code, lines = check(OFFLINE)
    assert (code, lines[-1]) == (0, "ready to run")


@pytest.mark.parametrize("url", ["redis://localhost/three", "http://localhost", "redis://localhost?dbb=1"])
def test_the_address_of_the_features_is_validated_offline(check: Check, url: str) -> None:
    code, lines = check(OFFLINE, features={"url": url})
    (problem,) = told(lines, "wrong")
    assert code == 2
    assert problem.startswith("features.url: ")


def test_all_problems_are_reported_together(check: Check) -> None:
    plan = {"entities": {"card": CARD | {"key": "card:{crad}"}}, "columns": [SPEND, AMOUNT]}
    code, lines = check(OFFLINE, plan=plan, kafka={"properties": {"lingerms": "5"}}, features={"url": "redis://h/x"})
    text = "\n".join(told(lines, "wrong"))
    assert code == 2
    for what in (
        "unknown field 'crad'; did you mean 'card'?",
        "'spend' is in the place of",
        "lingerms",
        "the database after '/' is not a number",
    ):
        assert text.count(what) == 1


def test_a_wrong_plan_does_not_hide_mismatches_with_the_schema_or_the_model(check: Check) -> None:
    entities = {"card": CARD | {"key": "card:{crad}", "layout": "hsh"}, "shop": CARD | {"fields": ["a", "a"]}}
    plan = {"entities": entities, "columns": [SPEND, {"name": "amount", "event": "amuont", "defalt": 0}]}
    code, lines = check(OFFLINE, plan=plan)
    wrong = told(lines, "wrong")
    assert (code, len(wrong)) == (2, 6)
    for what in (
        "entities.card.layout: found 'hsh'",
        "columns[1] 'amount'.defalt: unknown key 'defalt'; did you mean 'default'?",
        "entities.shop.fields: duplicate 'a'",
        "plan.yaml: columns: 'spend' is in the place of",
        "entities.card.key: '{crad}': unknown field 'crad'; did you mean 'card'?",
        "columns[1] 'amount'.event: unknown field 'amuont'; did you mean 'amount'?",
    ):
        assert sum(what in line for line in wrong) == 1, what


def test_wrong_settings_do_not_hide_other_problems(check: Check) -> None:
    plan = {"entities": {"card": CARD | {"key": "card:{crad}"}}, "columns": [AMOUNT, SPEND]}
    options = (OFFLINE, "--set", "batch.max_wait_ms=-1")
    code, lines = check(*options, plan=plan, kafka={"group": "g"}, features={"url": "redis://h", "timeout": 5})
    assert code == 2
    starts = ["features.timeout (", "kafka.group (", "batch.max_wait_ms (--set batch.max_wait_ms): found '-1'"]
    wrong = told(lines, "wrong")
    assert [line.startswith(start) for line, start in zip(wrong, starts, strict=False)] == [True] * 3
    assert "unknown field 'crad'" in wrong[3]
    assert lines[-1] == "4 problems found"


def test_a_plan_without_entities_needs_no_redis(check: Check) -> None:
    plan = {"columns": [AMOUNT, {"name": "spend", "event": "amount"}]}
    failures = told(check(plan=plan)[1], "wrong")
    assert len(failures) == 1
    assert "kafka: 127.0.0.1:1 does not answer" in failures[0]


def test_a_problem_that_two_checks_find_is_reported_once(check: Check) -> None:
    code, lines = check(kafka={"properties": {"lingerms": "5"}}, features={"url": "redis://localhost/three"})
    assert code == 2
    assert ["lingerms" in line or "database" in line for line in told(lines, "wrong")] == [True, True]


def test_servers_that_do_not_answer_are_failures_but_not_wrong_configuration(check: Check) -> None:
    code, lines = check()
    assert code == 1
    assert ["kafka" in line or "Redis" in line for line in told(lines, "wrong")] == [True, True]


def test_existing_topics_are_checked_even_if_some_are_missing(
    check: Check, kafka: Kafka, make_topic: MakeTopic, redis_url: str
) -> None:
    dead = make_topic("dead", retention_ms="1000")
    code, lines = check(
        kafka={"bootstrap_servers": kafka.bootstrap, "dead_letter_topic": dead}, features={"url": redis_url}
    )
    assert code == 1
    assert told(lines, "wrong") == ["missing topics: in, out; `scorer topics --create` creates them"]
    warnings = "\n".join(told(lines, "warning"))
    assert f"{dead}: retention.ms=1000 may delete a dead letter at once" in warnings
    assert "Redis has no key like 'card:X:{card}'" in warnings


def test_usable_but_surprising_topics_cause_warnings(
    check: Check, kafka: Kafka, make_topic: MakeTopic, redis_url: str
) -> None:
    dead = make_topic("dead", retention_ms="-1", max_message_bytes="2000000")
    names = {"input_topics": [make_topic("in", 3)], "output_topic": make_topic("out", 2), "dead_letter_topic": dead}
    static = {"instance_id": "a", "properties": {"group.protocol": "consumer"}}
    code, lines = check(kafka={"bootstrap_servers": kafka.bootstrap} | names | static, features={"url": redis_url})
    assert (code, lines[-1]) == (0, "ready to run")
    warnings = told(lines, "warning")
    assert any("has 2 partitions, but the input has 3" in warning for warning in warnings)
    assert any("kafka.instance_id=a with group.protocol=consumer" in warning for warning in warnings)
    assert not any(dead in warning for warning in warnings)


def test_the_topics_of_captured_rows_and_of_labels_are_looked_for(
    check: Check, kafka: Kafka, make_topic: MakeTopic, redis_url: str
) -> None:
    names = {
        "input_topics": [make_topic("in")],
        "output_topic": make_topic("out"),
        "dead_letter_topic": make_topic("dead"),
    }
    brokers = {"bootstrap_servers": kafka.bootstrap} | names
    fields = {"topic": "no-labels", "schema": "event.avsc", "id": "card", "label": "amount", "state_topic": "no-state"}
    monitor = {"topic": make_topic("monitor", cleanup_policy="compact,delete"), "capture": {"topic": "no-capture"}}

    def checked() -> tuple[int, list[str]]:
        chosen = [f"labels={json.dumps(fields)}", f"monitor={json.dumps(monitor)}"]
        return check(*(f"--set={each}" for each in chosen), kafka=brokers, features={"url": redis_url})

    code, lines = checked()
    assert code == 1
    assert told(lines, "wrong") == ["missing topics: no-capture; `scorer topics --create` creates them"]
    needed = (
        "missing topics: no-labels, no-state, which `scorer labels run` needs; `scorer topics --create` creates them"
    )
    assert needed in told(lines, "warning")
    fields |= {"topic": make_topic("labels"), "state_topic": make_topic("state", retention_ms="1000")}
    monitor["capture"] = {"topic": make_topic("capture")}
    code, lines = checked()
    assert (code, told(lines, "wrong")) == (0, [])
    warnings = "\n".join(told(lines, "warning"))
    assert "missing topics" not in warnings
    assert "retention.ms=1000 deletes predictions that wait for labels" in warnings


def test_broker_properties_that_weaken_the_guarantees_are_reported(
    check: Check, kafka: Kafka, make_topic: MakeTopic, redis_url: str
) -> None:
    names = {
        "input_topics": [make_topic("in", 2, retention_ms="3600000")],
        "output_topic": make_topic("out", 2, unclean_leader_election_enable="true"),
        "dead_letter_topic": make_topic("dead", 2, retention_ms="-1", max_message_bytes="2000000"),
    }
    long = {"delivery": "exactly-once", "properties": {"transaction.timeout.ms": "900001"}}
    code, lines = check(kafka={"bootstrap_servers": kafka.bootstrap} | names | long, features={"url": redis_url})
    assert code == 2
    (wrong,) = told(lines, "wrong")
    assert wrong.startswith("kafka.properties.transaction.timeout.ms: 900001 is more than the brokers allow")
    warnings = "\n".join(told(lines, "warning"))
    assert f"{names['input_topics'][0]}: retention.ms=3600000 deletes events" in warnings
    assert f"{names['output_topic']}: unclean.leader.election.enable=true" in warnings
    assert "replicas" not in warnings


@pytest.mark.parametrize("password", ["hun[ter2", "hun]ter2", "h\u2100unter2", "hun/ter2", "hun#ter2"])
def test_a_password_to_encode_is_reported_among_other_problems(check: Check, password: str) -> None:
    code, lines = check("--offline", features={"url": f"redis://me:{password}@h/0"}, plan={"columns": [AMOUNT]})
    assert code == 2
    said = "\n".join(lines)
    assert "percent-encode" in said
    assert "column 2" in said or "spend" in said  # what else is wrong
    assert "ter2" not in said
    assert "unexpected" not in said
