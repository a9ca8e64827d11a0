"""What the tests need of Spark besides a session: its jars for Kafka, and the processes of its executors."""

import hashlib
from pathlib import Path
from typing import Any

from tests.once import fetched, from_maven

JARS = (  # what reads and writes Kafka, with its dependencies in the versions that it was built with
    (
        "org.apache.spark",
        "spark-sql-kafka-0-10_2.13",
        "4.2.0",
        "64539c45e5d39f7ddb747312c239f38f5208d08c1a0ddf7d70beb2fbd9373705",
    ),
    (
        "org.apache.spark",
        "spark-token-provider-kafka-0-10_2.13",
        "4.2.0",
        "641c7947afc8aa1189e433b7c2d305293993c8691bc1c2062d6d4f513b12518c",
    ),
    (
        "org.apache.kafka",
        "kafka-clients",
        "3.9.2",
        "014b4ef36884478a932641818b080c36a8f8e2e92dc771e800c9d2694f4f83d8",
    ),
    (
        "org.apache.commons",
        "commons-pool2",
        "2.13.1",
        "f77a5060d6936a9144023584232f9de3f2248f1abfe156e9d31795f18770674f",
    ),
)


def jars() -> list[Path]:
    """Return the jars with which Spark reads and writes Kafka."""
    key = hashlib.sha256(str(JARS).encode()).hexdigest()[:16]
    return sorted(fetched(f"spark-jars-{key}", lambda temporary: from_maven(temporary, JARS)).iterdir())


def executors(opened: Any) -> list[int]:
    """Return the process of each executor of a `local-cluster`."""
    driver = opened.sparkContext._gateway.proc.pid
    found = []
    for each in Path("/proc").iterdir():
        try:
            parent = int((each / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == driver and b"CoarseGrainedExecutorBackend" in (each / "cmdline").read_bytes():
                found.append(int(each.name))
        except (OSError, ValueError):  # no process, or one that has ended
            continue
    return found
