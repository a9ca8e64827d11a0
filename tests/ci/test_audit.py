"""The audit of the lock file, against an index of this test."""

import datetime as dt
import importlib.util
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / ".ci/audit.py"
TODAY = dt.date(2027, 1, 1)
FLAW = {
    "id": "PYSEC-1",
    "aliases": ["CVE-1"],
    "fixed_in": ["9.9"],
    "summary": "It runs what it reads.",
    "withdrawn": None,
}


class Index(ThreadingHTTPServer):
    """An index with PyPI's JSON API."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Page)
        self.flaws: dict[str, list[dict[str, Any]]] = {}
        self.broken: set[str] = set()
        self.is_mirror = False
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Page(BaseHTTPRequestHandler):
    server: Index

    def do_GET(self) -> None:
        _, _, name, _, _ = self.path.split("/")
        self.server.asked.append(name)
        is_there = not self.server.is_mirror and name not in self.server.broken
        self.send_response(200 if is_there else 404)
        self.end_headers()
        self.wfile.write(json.dumps({"vulnerabilities": self.server.flaws.get(name, [])}).encode() if is_there else b"")

    def log_message(self, *_: object) -> None:
        """Into the void."""


@pytest.fixture
def index() -> Iterator[Index]:
    with Index() as server:
        threading.Thread(target=server.serve_forever).start()
        yield server
        server.shutdown()


@pytest.fixture
def audit(monkeypatch: pytest.MonkeyPatch, index: Index, tmp_path: Path) -> ModuleType:
    """The script, with an allow list of this test."""
    monkeypatch.setenv("ADVISORIES", index.url)
    spec = importlib.util.spec_from_file_location("audit", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "audit", module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "ALLOWED", tmp_path / "advisories.toml")
    module.ALLOWED.touch()
    return module


def entry(until: dt.date, name: str = "numpy", advisory: str = "CVE-1") -> str:
    return f'[[allowed]]\nid = "{advisory}"\npackage = "{name}"\nreason = "Not called."\nuntil = {until}\n'


def soon() -> dt.date:
    return dt.datetime.now(dt.UTC).date() + dt.timedelta(days=30)


def test_every_pin_of_the_lock_file_is_looked_up(audit: ModuleType, index: Index) -> None:
    assert audit.main() == 0
    names = re.findall(r"^([a-z0-9._-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    assert len(names) > 50
    assert sorted(index.asked[1:]) == sorted(names)


def test_an_advisory_is_reported_and_fails_the_audit(
    audit: ModuleType, index: Index, capsys: pytest.CaptureFixture[str]
) -> None:
    index.flaws["numpy"] = [FLAW]
    assert audit.main() == 1
    assert re.search(r"numpy \S+: PYSEC-1, fixed in 9.9: It runs what it reads.", capsys.readouterr().err)


def test_a_withdrawn_advisory_does_not_fail_the_audit(audit: ModuleType, index: Index) -> None:
    index.flaws["numpy"] = [FLAW | {"withdrawn": "2026-01-01T00:00:00Z"}]
    assert audit.main() == 0


def test_an_allowed_advisory_passes_until_its_date(
    audit: ModuleType, index: Index, capsys: pytest.CaptureFixture[str]
) -> None:
    index.flaws["numpy"] = [FLAW]
    audit.ALLOWED.write_text(entry(soon()))
    assert audit.main() == 0
    audit.ALLOWED.write_text(entry(dt.date(2026, 1, 1)))
    assert audit.main() == 1
    assert "CVE-1 of numpy was allowed until 2026-01-01" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (entry(TODAY - dt.timedelta(days=1)), "was allowed until"),
        (entry(TODAY + dt.timedelta(days=181)), "at most 180 days"),
        (entry(TODAY).replace("reason", "because"), "expected id, package, reason, and until"),
        (entry(TODAY).replace("2027-01-01", '"2027-01-01"'), "expected id, package, reason, and until"),
    ],
)
def test_an_invalid_exception_is_a_problem(audit: ModuleType, text: str, said: str) -> None:
    (problem,) = audit.read_allowed(text, TODAY)[1]
    assert said in problem
    assert audit.read_allowed(entry(TODAY), TODAY)[1] == []


def test_an_unneeded_exception_fails_the_audit(audit: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    audit.ALLOWED.write_text(entry(soon()))
    assert audit.main() == 1
    assert "CVE-1 of numpy is not found any more" in capsys.readouterr().err


def test_a_package_that_could_not_be_looked_up_never_passes_the_audit(
    audit: ModuleType, index: Index, capsys: pytest.CaptureFixture[str]
) -> None:
    index.broken = {"numpy"}
    assert audit.main() == 1
    assert "could not be looked up: numpy" in capsys.readouterr().err
    index.is_mirror = True
    assert audit.main() == audit.NOT_AUDITED == 3
    said = capsys.readouterr()
    assert said.err.startswith(f"NOT AUDITED: {index.url} has no advisories")
    assert "audited" not in said.out
    index.asked.clear()
    audit.ALLOWED.write_text(entry(dt.date(2026, 1, 1)))
    assert audit.main() == 1, "an exception expires wherever it is read"
    assert len(index.asked) == 1


@pytest.mark.parametrize(
    ("target", "command"), [("audit", ".ci/audit.py"), ("sbom", "deploy/sbom.py -o build/sbom.cdx.json")]
)
def test_make_runs_the_script(target: str, command: str) -> None:
    said = subprocess.check_output(
        ["/usr/bin/env", "make", "--no-print-directory", "--dry-run", target], cwd=ROOT, text=True
    )
    assert said.splitlines()[-1] == f".venv/bin/python {command}"


def test_ci_runs_the_audit_with_the_committed_exceptions() -> None:
    assert ".ci/audit.py" in (ROOT / ".ci/run").read_text()
    done = subprocess.run(
        [sys.executable, str(SCRIPT)],
        env={"ADVISORIES": "http://127.0.0.1:9"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3, done.stderr
