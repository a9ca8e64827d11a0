import json
from pathlib import Path

import pytest

from scorer import settings
from scorer.cli import main
from scorer.settings.reference import EXAMPLE


@pytest.fixture(name="config")
def fixture_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The example of the documentation, as the path of a file."""
    monkeypatch.setenv("REDIS_PASSWORD", "s3cret")
    file = tmp_path / "scorer.yaml"
    file.write_text(EXAMPLE)
    return str(file)


def test_one_json_document_on_stdout_and_nothing_else(
    config: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCORER_BATCH__MAX_RECORDS", "7")
    assert main(["config", "-c", config, "--json", "--set", "http=null"]) == 0
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    assert document.keys() == {"settings", "sources"}
    assert document["settings"]["kafka"]["input_topics"] == ["flights"]
    assert document["settings"]["events"]["schema"] == str(Path(config).parent / "schemas/flight.avsc")
    assert document["settings"]["batch"]["max_records"] == 7
    assert document["settings"]["http"] is None
    assert document["sources"]["batch.max_records"] == "SCORER_BATCH__MAX_RECORDS"
    assert document["sources"]["http"] == "--set"
    assert document["sources"]["log.level"] == "default"
    assert captured.err == ""


def test_each_setting_has_a_line_with_its_source(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "-c", config]) == 0
    lines = [line.split(None, 2) for line in capsys.readouterr().out.splitlines()]
    assert ["kafka.group_id", "file", "flight-delays"] in lines
    assert ["kafka.input_topics", "file", '["flights"]'] in lines
    assert ["kafka.instance_id", "default", "null"] in lines
    assert {line[0] for line in lines} == settings.load(Path(config)).sources.keys()


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_no_secret_is_shown(config: str, capsys: pytest.CaptureFixture[str], form: list[str]) -> None:
    assert main(["config", "-c", config, "--set", "kafka.properties.sasl.password=s3cret", *form]) == 0
    captured = capsys.readouterr()
    assert "s3cret" not in captured.out + captured.err
    assert "redis://scorer:********@localhost" in captured.out


def test_the_configuration_of_the_current_folder_is_the_default(
    config: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(config).parent)
    assert main(["config", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["sources"]["kafka.group_id"] == "file"
    monkeypatch.chdir("/")
    assert main(["config"]) == 2
    assert capsys.readouterr().err == "error: scorer.yaml: no such file; name the configuration with -c FILE\n"


def test_all_problems_are_reported_together_with_exit_code_2(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--set", "batch.max_records=abc", "--set", "log.levl=info"]
    assert main(["config", "-c", config, *flags]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "error: --set log.levl: unknown key 'log.levl'; did you mean 'log.level'?",
        "error: batch.max_records (--set batch.max_records): found 'abc'; expected a whole number from 1 to 100000",
    ]
