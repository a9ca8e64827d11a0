"""The output in the README is real."""

import io
import re
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from scorer.cli import main
from scorer.demo.course import Killed
from scorer.demo.proof import Verdict
from scorer.demo.summary import Latency, Summary
from tests.docs.pages import ROOT, code

README = (ROOT / "README.md").read_text()
SOURCES = "\n".join(file.read_text() for file in (ROOT / "tests").rglob("test_*.py"))


def test_the_readme_shows_the_output_of_check_for_the_example(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (block,) = re.findall(r"^```yaml\n# scorer.yaml\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    document = yaml.safe_load(block)
    for folder in ("models", "schemas"):
        (tmp_path / folder).symlink_to(ROOT / folder)

    def check() -> str:
        file = tmp_path / "scorer.yaml"
        file.write_text(yaml.safe_dump(document))
        main(["check", "--offline", "-c", str(file)])
        return capsys.readouterr().err

    assert check().endswith("ready to run\n")
    del document["features"]
    document["events"] |= {"id": "fligth_id", "time": "dest"}
    assert f"```\n{check()}```" in README


def test_the_readme_shows_the_lines_of_the_demo_summary() -> None:
    verdict = Verdict(events=1, predictions=1, dead_letters=0, lost=0, duplicates=0, wrong=0, examples=())
    latency = Latency(1.0, 1.0, 1.0, 1.0, 1.0)
    summary = Summary(verdict, 1.0, latency, 0.5, 2, Killed("replica-1", 1, 2, 3), "Kafka", "Redis", "model 1", 1.0)
    console = Console(width=100, file=io.StringIO(), record=True)
    console.print(summary.panel())
    assert labels(README) == labels(console.export_text())


def labels(text: str) -> list[str]:
    return re.findall(r"^│ (\w[\w ]*?)  +\S", text, re.MULTILINE)


def test_the_tests_selected_in_the_readme_exist() -> None:
    chosen = [words for line in code(ROOT / "README.md") for words in re.findall(r'ARGS="-k (\w+)"', line)]
    assert len(chosen) >= 4
    assert [words for words in chosen if not re.search(rf"def test_\w*{words}", SOURCES)] == []
