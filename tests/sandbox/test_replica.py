import json
import signal
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from scorer.demo.stage import Stage
from scorer.errors import Fatal
from scorer.sandbox import Sandbox
from scorer.sandbox.replica import Replica


def test_a_replica_that_exits_by_itself_is_reported_with_the_end_of_its_log(tmp_path: Path) -> None:
    replica = Replica("replica-1", tmp_path / "absent.yaml", tmp_path / "replica.log")
    with pytest.raises(Fatal, match=r"replica-1 .* exited with code 2") as told:  # noqa: PT012  it takes a while
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            replica.look()
            time.sleep(0.05)
    assert "absent.yaml" in str(told.value)


class _Page(BaseHTTPRequestHandler):
    """The /ready page of a replica without features."""

    def do_GET(self) -> None:
        conditions = {"loop": "last iteration 0.1 s ago", "features": "redis://cache refused the connection"}
        body = json.dumps({"ready": False, "failed": ["features"], "conditions": conditions}).encode()
        self.send_response(503 if self.path == "/ready" else 200)
        self.end_headers()
        self.wfile.write(body if self.path == "/ready" else b'scorer_lag_records{topic="t",partition="3"} 7.0\n')

    def log_message(self, *_: object) -> None:
        """Into the void."""


def test_a_replica_that_is_not_ready_is_reported_with_the_reason(tmp_path: Path) -> None:
    replica = Replica("replica-1", tmp_path / "absent.yaml", tmp_path / "replica.log")
    replica._process.send_signal(signal.SIGSTOP)
    with HTTPServer(("127.0.0.1", replica.port), _Page) as server:
        threading.Thread(target=server.serve_forever).start()
        replica.look()
        server.shutdown()
    stage = Stage(Sandbox.__new__(Sandbox), Path(), Path(), replicas=[replica])
    assert not stage.ready
    assert f"replica-1 (pid {replica.pid}): features: redis://cache refused the connection" in stage.unready
    assert replica.partitions == [3]
    replica.kill()


def test_a_killed_replica_stays_dead(tmp_path: Path) -> None:
    replica = Replica("replica-1", tmp_path / "absent.yaml", tmp_path / "replica.log")
    replica.kill()
    replica.look()
    replica.stop()
    assert replica.state == "killed"
    assert not Path(f"/proc/{replica.pid}").exists()
