import time
from pathlib import Path

import pytest

from scorer.demo.replicas import Replica
from scorer.errors import Fatal


def test_a_replica_that_ends_by_itself_is_told_with_its_last_words(tmp_path: Path) -> None:
    replica = Replica("replica-1", tmp_path / "absent.yaml", tmp_path / "replica.log")
    with pytest.raises(Fatal, match=r"replica-1 .* ended by itself with exit code 2") as told:  # noqa: PT012  it takes a while
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            replica.look()
            time.sleep(0.05)
    assert "absent.yaml" in str(told.value)


def test_a_killed_replica_is_gone_and_stays_so(tmp_path: Path) -> None:
    replica = Replica("replica-1", tmp_path / "absent.yaml", tmp_path / "replica.log")
    replica.kill()
    replica.look()
    replica.stop()
    assert replica.state == "killed"
    assert not Path(f"/proc/{replica.pid}").exists()
