"""Runs the replica in a larger harness with the same contract, which is not in this repository."""

import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # exported in a way of its own

from benchmarks.contenders import PREDICTIONS, SCORER
from benchmarks.contract import PREFIX
from benchmarks.peer import DEAD_LETTERS
from scorer.sandbox import Sandbox

ROOT = Path(__file__).parents[1]


def run(harness: Path, python: Path, layouts: Sequence[str], batches: Sequence[int], arguments: Sequence[str]) -> int:
    """Start servers, run the harness with the replica as an outside program, and return its exit code.

    Args:
        harness: its `bench.py`.
        python: that has its requirements.
        layouts: of the replica's features, and
        batches: the most events of one; each of each makes a row.
        arguments: for the harness.
    """
    with Sandbox() as sandbox:
        admin = AdminClient({"bootstrap.servers": sandbox.kafka.bootstrap})
        admin.create_topics([NewTopic(DEAD_LETTERS, 1, 1)])[DEAD_LETTERS].result()
        replica = shlex.join([sys.executable, "-m", "benchmarks.peer"])
        also = [
            f"--also={SCORER}-{layout}-{batch}=env {PREFIX}LAYOUT={layout} {PREFIX}BATCH={batch} {replica}"
            for layout in layouts
            for batch in batches
        ]
        servers = ["--bootstrap", sandbox.kafka.bootstrap, "--redis", sandbox.redis.address]
        schema = ["--also-schema", str(PREDICTIONS)]
        command = [str(python), str(harness.resolve()), *servers, *also, *schema, *arguments]
        return subprocess.run(command, cwd=ROOT, check=False).returncode  # noqa: S603  what the user asked for
