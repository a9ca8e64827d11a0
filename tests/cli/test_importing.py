"""Commands import no more of their packages than they use, and fail for no lack of it."""

import builtins
import subprocess
import sys
from pathlib import Path

import pytest

from scorer.cli.lifecycle import importing


@pytest.mark.parametrize("command", ["score", "run"])
def test_a_command_skips_the_modules_that_no_package_needs_and_xgboost_until_it_does(command: str) -> None:
    unused = (
        "{'xgboost.plotting', 'xgboost.sklearn', 'scipy.special', 'scipy.linalg', 'cffi', 'rich.traceback', 'pygments',"
        " 'attr', 'numpy.f2py.f2py2e'}"
    )
    start = f"import sys; from scorer.cli.lifecycle.importing import imported; imported('scorer.cli.{command}')"
    look = f"print('xgboost' in sys.modules, sorted({unused} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", f"{start}; {look}; import xgboost; {look}; import xgboost.plotting, scipy.linalg, cffi"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "False []\nTrue []\n"


def test_redis_is_imported_without_opentelemetry_which_others_can_import_after_it() -> None:
    start = "import sys; from scorer.cli.lifecycle.importing import imported"
    program = f"{start}; imported('scorer.cli.config'); import redis.asyncio"
    look = "print(sorted({'opentelemetry', 'opentelemetry.metrics'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", f"{program}; {look}; import opentelemetry.metrics; {look}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n['opentelemetry', 'opentelemetry.metrics']\n"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "made_wrappers.py").write_text("")
    monkeypatch.setattr(importing, "UNUSED", frozenset({"made_wrappers", "made_others"}))
    for name in ("made_command", "made_wrappers"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return tmp_path


def test_a_skipped_module_is_imported_if_a_package_needs_it(package: Path) -> None:
    (package / "made_command.py").write_text("import made_wrappers")
    command = importing.imported("made_command")
    assert command.made_wrappers is sys.modules["made_wrappers"]
    assert "made_others" not in sys.modules


def test_a_module_for_later_is_loaded_when_it_is_used(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "LATER", frozenset({"made_wrappers"}))
    monkeypatch.setattr(importing, "UNUSED", frozenset())
    (package / "made_wrappers.py").write_text("LOADED.append(1)\nVALUE = 7\n")
    (package / "made_command.py").write_text("import made_wrappers\n")
    loaded: list[int] = []
    monkeypatch.setattr(builtins, "LOADED", loaded, raising=False)
    command = importing.imported("made_command")
    assert loaded == []
    assert command.made_wrappers.VALUE == 7
    assert loaded == [1]


def test_any_other_missing_module_is_an_error(package: Path) -> None:
    (package / "made_command.py").write_text("import made_nowhere")
    with pytest.raises(ModuleNotFoundError, match="made_nowhere"):
        importing.imported("made_command")
    assert "made_wrappers" not in sys.modules
