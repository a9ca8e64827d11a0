import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from confluent_kafka.admin import AdminClient

from tests.conftest import mainly

COMMAND = [sys.executable, "-m", "scorer", "sandbox"]
PATIENCE_S = 90.0


@pytest.fixture
def started(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [*COMMAND, "--env-file", str(tmp_path / "environment")],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    yield process
    process.kill()
    process.communicate()


def await_file(file: Path) -> None:
    end = time.monotonic() + PATIENCE_S
    while not file.exists() and time.monotonic() < end:
        time.sleep(0.02)


@pytest.mark.parametrize("number", mainly(signal.SIGINT, of=[signal.SIGINT, signal.SIGTERM]))
def test_the_sandbox_reports_its_addresses_and_leaves_nothing_behind(
    started: "subprocess.Popen[str]", tmp_path: Path, number: signal.Signals
) -> None:
    file = tmp_path / "environment"
    await_file(file)
    variables = dict(re.findall("^([A-Z_]+)=(.*)$", file.read_text(), re.MULTILINE))
    assert set(variables) == {"SCORER_KAFKA__BOOTSTRAP_SERVERS", "SCORER_FEATURES__URL"}
    admin = AdminClient({"bootstrap.servers": variables["SCORER_KAFKA__BOOTSTRAP_SERVERS"]})
    assert len(admin.list_topics(timeout=10).brokers) == 1
    with redis.Redis.from_url(variables["SCORER_FEATURES__URL"]) as client:
        assert client.ping()
    started.send_signal(number)
    _, said = started.communicate(timeout=PATIENCE_S)
    assert started.returncode == 0
    for address in variables.values():
        assert address in said
    assert "Traceback" not in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--kafka-port", "70000"], "--kafka-port: 70000 is not a port"),
        (["--env-file", "nowhere/environment"], "there is no folder nowhere"),
        (["--env-file", __file__], "is some other file"),
    ],
)
def test_wrong_options_are_refused_before_anything_starts(options: list[str], said: str) -> None:
    done = subprocess.run([*COMMAND, *options], capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert Path(__file__).exists()
