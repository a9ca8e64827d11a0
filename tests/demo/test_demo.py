"""The demo as a user runs it, on real servers."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

PATIENCE_SECONDS = 120.0


@pytest.fixture
def room(tmp_path: Path) -> Path:
    """The folder for the demo's folders, which must be empty afterwards."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    return folder


def start(room: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "scorer", "demo", *arguments],
        env=os.environ | {"TMPDIR": str(room)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def left(room: Path) -> list[str]:
    """Return processes and folders that a demo has left behind."""
    processes = [
        words
        for file in Path("/proc").glob("[0-9]*/cmdline")
        for words in _read(file)
        if str(room) in words and "watchdog" not in words
    ]
    return processes + [str(path) for path in room.iterdir()]


def _read(file: Path) -> Iterator[str]:
    try:
        yield file.read_bytes().replace(b"\0", b" ").decode()
    except OSError:  # it ended meanwhile
        return


def wait_until_nothing_is_left(room: Path) -> None:
    deadline = time.monotonic() + 15
    while left(room) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left(room) == []


def test_a_small_demo_proves_itself_although_a_replica_is_killed(room: Path) -> None:
    demo = start(room, "--events", "3000", "--rate", "1500", "--for", "60", "--json")
    out, err = demo.communicate(timeout=PATIENCE_SECONDS)
    assert demo.returncode == 0, err
    summary = json.loads(out)
    assert summary["events"] == 3000
    assert summary["predictions"] == 3000 + summary["duplicates"]
    assert (summary["lost"], summary["wrong"], summary["dead_letters"]) == (0, 0, 12)
    assert summary["latency_ms"]["p50"] <= summary["latency_ms"]["p99"] <= summary["latency_ms"]["max"]
    assert summary["auc"] > 0.85
    assert summary["replicas"] == 2
    assert summary["kafka"].startswith("Apache Kafka 4.1")
    assert summary["redis"].startswith(("Redis", "Valkey"))
    assert summary["events_per_second"] > 0
    victim = summary["killed"]
    assert f"killed {victim['replica']} (pid {victim['pid']}) with SIGKILL" in err
    assert f"{victim['replica']} (pid {victim['replaced_by']}) is ready" in err
    wait_until_nothing_is_left(room)


@pytest.mark.prove
def test_a_better_version_is_promoted_and_a_bad_one_withdrawn(room: Path) -> None:
    demo = start(room, "--rollout", "--rate", "1000", "--json")
    out, err = demo.communicate(timeout=2 * PATIENCE_SECONDS)
    assert demo.returncode == 0, err
    summary = json.loads(out)
    assert (summary["lost"], summary["wrong"]) == (0, 0)
    rolled = summary["rollout"]
    assert (rolled["promoted"], rolled["withdrawn"]) == ("2", "3")
    assert rolled["why"].startswith("psi: ")
    first, better = (rolled["quality"][version] for version in ("1", "2"))
    assert better["auc"] - first["auc"] > math.hypot(first["within"], better["within"])
    assert rolled["quality"]["3"]["auc"] < 0.5
    assert "$ scorer models canary 3 --percent 20" in err
    assert "version 3 was withdrawn by the guards: psi: " in err
    wait_until_nothing_is_left(room)


@pytest.mark.prove
def test_fields_in_other_units_are_named_and_the_live_quality_falls(room: Path) -> None:
    demo = start(room, "--drift", "--events", "36000", "--rate", "1200", "--json")
    out, err = demo.communicate(timeout=2 * PATIENCE_SECONDS)
    assert demo.returncode == 0, err
    summary = json.loads(out)
    assert (summary["lost"], summary["wrong"]) == (0, 0)
    drift = summary["drift"]
    assert drift["units"] == {"distance": "kilometres", "dep_delay": "seconds"}
    assert drift["told"].keys() == drift["units"].keys()
    for told in drift["told"].values():
        assert told["psi"] > told["limit"]
        assert told["after"] < 18_000
    assert drift["afterwards"]["auc"] < drift["before"]["auc"] - 0.02
    assert drift["live"][-1] < max(drift["live"])
    assert "column dep_delay drifts" in err
    wait_until_nothing_is_left(room)


@pytest.mark.parametrize(
    ("word", "number"),
    [
        ("starting a real Kafka", signal.SIGINT),
        pytest.param("features are in Redis", signal.SIGTERM, marks=pytest.mark.prove),
        pytest.param("with SIGKILL", signal.SIGINT, marks=pytest.mark.prove),
    ],
)
def test_a_demo_stopped_at_any_time_leaves_nothing_and_exits_0(room: Path, word: str, number: signal.Signals) -> None:
    demo = start(room, "--rate", "2000", "--events", "4000", "--json")
    assert demo.stderr is not None
    assert any(word in line for line in demo.stderr)
    demo.send_signal(number)
    out, err = demo.communicate(timeout=PATIENCE_SECONDS)
    assert demo.returncode == 0, err
    assert out == ""
    assert "stopped; all processes and temporary folders are gone" in err
    assert "Traceback" not in err
    wait_until_nothing_is_left(room)


def test_impossible_options_are_refused(room: Path) -> None:
    demo = start(room, "--events", "0")
    _, err = demo.communicate(timeout=PATIENCE_SECONDS)
    assert demo.returncode == 2
    assert "--events" in err
    assert left(room) == []
