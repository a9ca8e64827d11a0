from pathlib import Path

import pytest

from benchmarks.contract import Contract
from benchmarks.peer import configure
from benchmarks.workload import Workload
from scorer import settings
from scorer.serving.serving import prepare

CONTRACT = Contract("host:1", "host:2", "in", "out", "group", Path("/w"), Path("/s"), "packed")


def test_a_program_reads_its_contract_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CONTRACT.environment().items():
        monkeypatch.setenv(name, value)
    assert Contract.from_environment() == CONTRACT


def test_a_harness_without_layouts_uses_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CONTRACT.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("BENCH_LAYOUT")
    assert Contract.from_environment().layout == "hash"


@pytest.mark.parametrize("layout", ["hash", "packed"])
def test_the_replica_has_the_default_configuration(workload: Workload, tmp_path: Path, layout: str) -> None:
    file = configure(Contract("host:1", "host:2", "in", "out", "group", workload.folder, tmp_path, layout))
    loaded = settings.load(file).settings
    serving = prepare(loaded)  # schema, plan and booster fit
    assert loaded.batch == settings.Settings.model_fields["batch"].get_default(call_default_factory=True)
    assert [entity.layout for entity in serving.plan.entities] == [layout] * 3
    assert serving.bundle.version == workload.version


def test_settings_can_be_chosen(workload: Workload, tmp_path: Path) -> None:
    contract = Contract("host:1", "host:2", "in", "out", "group", workload.folder, tmp_path)
    loaded = settings.load(configure(contract, batch={"max_records": 7})).settings
    assert loaded.batch.max_records == 7
