"""The rules for Prometheus fire when they should, speak of metrics that there are, and have a paragraph each."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from scorer.group.alerting import AlertMetrics
from scorer.labels.joining import QualityMetrics
from scorer.monitor import DriftMetrics, Metrics
from tests.once import debian

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy/prometheus"
RULES: list[dict[str, Any]] = yaml.safe_load((FOLDER / "rules.yaml").read_text())["groups"][0]["rules"]
TESTS = sorted(FOLDER.glob("*_test.yaml"))
CASES: list[dict[str, Any]] = [case for file in TESTS for case in yaml.safe_load(file.read_text())["tests"]]


@pytest.fixture(scope="session")
def promtool() -> Path:
    return debian("prometheus-2", "prometheus") / "usr/bin/promtool"


def asked(promtool: Path, *words: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run([promtool, *words], cwd=folder, capture_output=True, text=True, check=False)


def names() -> set[str]:
    """Every metric of a replica and of `scorer labels run`, as Prometheus names its series."""
    registry = CollectorRegistry()
    metrics = Metrics(["plane"])
    AlertMetrics(registry), DriftMetrics(registry), QualityMetrics(registry)
    kinds = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"], "info": ["_info"], "gauge": [""]}
    return {
        found.name + ending
        for each in (metrics.registry, registry)
        for found in each.collect()
        for ending in kinds[found.type]
    }


def test_the_rules_are_valid_and_fire_when_they_should(promtool: Path) -> None:
    checked = asked(promtool, "check", "rules", "deploy/prometheus/rules.yaml")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    tested = asked(promtool, "test", "rules", *map(str, TESTS))
    assert tested.returncode == 0, tested.stdout + tested.stderr


@pytest.mark.prove
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_a_rule_that_is_broken_is_noticed(rule: dict[str, Any], promtool: Path, tmp_path: Path) -> None:
    broken = [each | {"expr": f"({each['expr']}) and vector(0) > 1"} if each is rule else each for each in RULES]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "scorer", "rules": broken}]}))
    for file in TESTS:
        (tmp_path / file.name).write_text(file.read_text())
    tested = asked(promtool, "test", "rules", *(file.name for file in TESTS), folder=tmp_path)
    assert tested.returncode != 0
    assert rule["alert"] in tested.stdout + tested.stderr


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_a_rule_speaks_of_metrics_that_there_are(rule: dict[str, Any]) -> None:
    assert set(re.findall(r"\bscorer_\w+", rule["expr"])) <= names()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_a_rule_has_a_case_without_it_and_a_paragraph(rule: dict[str, Any]) -> None:
    cases = [case for test in CASES for case in test["alert_rule_test"] if case["alertname"] == rule["alert"]]
    assert {bool(case.get("exp_alerts")) for case in cases} == {True, False}
    page, _, heading = rule["annotations"]["runbook"].partition("#")
    text = (ROOT / page).read_text()
    assert heading == rule["alert"].lower()
    assert len(re.findall(rf"^### {rule['alert']}\n\n\w", text, re.MULTILINE)) == 1


def test_every_paragraph_is_about_a_rule() -> None:
    text = (ROOT / "docs/alerts.md").read_text()
    assert re.findall(r"^### (\w+)$", text, re.MULTILINE) == [rule["alert"] for rule in RULES]
