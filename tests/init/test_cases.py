"""How much of a plan is placed in six cases whose truth is known, and that none of it is wrong."""

import json
import re
from pathlib import Path

import pytest

from scorer.cli import main
from scorer.cli.shown.table import aligned
from tests.init.case import Case, Mark, mark
from tests.init.cases import CASES, ROOT
from tests.registry.stub import serving

HEADER = ("CASE", "COLUMNS", "CAN BE KNOWN", "RIGHT", "OPEN", "WRONG", "RIGHT OF KNOWN")
SHARE = 0.9


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Case]:
    return {name: make(tmp_path_factory.mktemp(name)) for name, make in CASES.items()}


def run(case: Case, folder: Path, url: str | None, capsys: pytest.CaptureFixture[str], *, samples: bool = True) -> Mark:
    """Draft a case, and compare it with its truth."""
    folder.mkdir()
    options = case.options(folder, url, samples=samples)
    with serving() as registry:
        if case.subject:
            registry.version(case.subject, 1, 7, case.schema)
            options += ["--registry", registry.url, "--subject", case.subject]
        assert main(["init", *options, "--json"]) == 0, capsys.readouterr().err
    answer = json.loads(capsys.readouterr().out)
    assert answer["problems"] == []
    opened = {column["name"] for column in answer["columns"] if column["confidence"] == "open"}
    return mark(case, folder / "draft/plan.yaml", opened)


def table(marks: dict[str, tuple[Case, Mark]]) -> str:
    rows = [
        (name, len(case.truth), case.known, mark.right, mark.open, len(mark.wrong), f"{mark.right / case.known:.0%}")
        for name, (case, mark) in marks.items()
    ]
    return "\n".join(aligned(HEADER, rows))


def test_nine_of_ten_columns_are_placed_and_none_is_wrong(
    made: dict[str, Case], redis_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    marks = {}
    for name, case in made.items():
        case.fill(redis_url)
        marks[name] = case, run(case, tmp_path / name, redis_url, capsys)
    with capsys.disabled():
        print(f"\n{table(marks)}")  # noqa: T201  the result, for the log
    assert f"```text\n{table(marks)}\n```" in (ROOT / "docs/init.md").read_text()
    for name, (case, found) in marks.items():
        assert found.wrong == (), name
        assert found.right >= SHARE * len(case.truth), name


@pytest.mark.parametrize("seen", [(), ("events",), ("redis",)], ids="+".join)
def test_no_column_is_placed_wrongly_with_fewer_sources(
    made: dict[str, Case],
    redis_url: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    seen: tuple[str, ...],
) -> None:
    marks = {}
    for name, case in made.items():
        case.fill(redis_url)
        marks[name] = (
            case,
            run(case, tmp_path / name, redis_url if "redis" in seen else None, capsys, samples="events" in seen),
        )
    with capsys.disabled():
        print(f"\nseen besides model and schema: {', '.join(seen) or 'nothing'}\n{table(marks)}")  # noqa: T201  the same
    assert {name: found.wrong for name, (_, found) in marks.items() if found.wrong} == {}


@pytest.mark.prove
def test_no_column_is_placed_wrongly_in_a_redis_shared_by_all_cases(
    made: dict[str, Case], redis_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    together = {key: fields for case in made.values() for key, fields in case.hashes.items()}
    for name, case in made.items():
        Case(name, case.model, case.schema, case.truth, together, case.strings).fill(redis_url)
        assert run(case, tmp_path / name, redis_url, capsys).wrong == (), name


def test_the_open_columns_are_those_that_adding_the_model_reports(
    made: dict[str, Case], redis_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = made["payments"]
    case.fill(redis_url)
    assert main(["init", *case.options(tmp_path, redis_url, samples=False)]) == 0
    config, plan = str(tmp_path / "draft/scorer.yaml"), tmp_path / "draft/plan.yaml"
    add = ["models", "add", "-c", config, "--model", str(case.model), "--plan", str(plan)]
    capsys.readouterr()
    assert main(["check", "-c", config, "--offline"]) == 2
    assert "`scorer models add`" in capsys.readouterr().err
    assert main(add) == 2
    left = capsys.readouterr().err
    assert set(re.findall(r"columns\[\d+\] '(\w+)'", left)) == {"country", "ratio"}
    text = plan.read_text()
    text = re.sub(r"\{name: country, .*", "{name: country, event: country, categories: [DE, FR, US]}", text)
    text = re.sub(r"\{name: ratio\}.*", '{name: ratio, expression: "amount / (1 + spend)"}', text)
    plan.write_text(text)
    assert main(add) == 0, capsys.readouterr().err
    assert main(["check", "-c", config, "--offline"]) == 0
    assert "ready to run" in capsys.readouterr().err
