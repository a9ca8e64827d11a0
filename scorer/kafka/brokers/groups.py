"""What the brokers say about a consumer group."""

import json
import subprocess
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaError, KafkaException

from scorer.kafka.client import properties
from scorer.kafka.offsets import Partition
from scorer.settings import KafkaSettings

PROBE = Path(__file__).with_name("group_probe.py")
TRIES = 5  # of a client that crashes: it does so where a connection breaks at the very moment of the question
START_SECONDS = 30.0  # that a process may take to start on a busy machine


@dataclass(frozen=True, slots=True)
class GroupDescription:
    """A consumer group.

    state:      such as `stable`, `empty` or `dead`.
    operations: what its user may do to it, such as `READ`; empty where that was not asked, or brokers do not tell.
    owners:     by partition, the static member's name or else the member's id, and the member's host.
    sizes:      how many partitions the topics have that were asked about.
    """

    state: str
    operations: frozenset[str]
    owners: Mapping[Partition, tuple[str, str]]
    sizes: Mapping[str, int]


def describe_group(
    kafka: KafkaSettings, group: str, seconds: float, *, rights: bool = False, topics: Collection[str] = ()
) -> GroupDescription:
    """Ask about a group.

    In a process of its own: where the connection to a group's coordinator breaks while an administrator's question
    is being sent, librdkafka (2.16 and before) aborts the process, which nothing can catch.

    Args:
        kafka: where the brokers are, and how to log in.
        group: its id.
        seconds: limit of the question.
        rights: whether to ask for the operations, too.
        topics: whose partitions are to be counted, too.

    Raises:
        KafkaException: the brokers did not say.
    """
    chosen = {"log_level": 0, **properties(kafka, "admin")}
    question = {"properties": chosen, "group": group, "rights": rights, "topics": list(topics), "seconds": seconds}
    answer = _answer(json.dumps(question), seconds + START_SECONDS)
    if "code" in answer:
        raise KafkaException(KafkaError(answer["code"], answer["text"]))
    owners = {(topic, partition): (member, host) for topic, partition, member, host in answer["owners"]}
    return GroupDescription(answer["state"], frozenset(answer["operations"]), owners, answer["sizes"])


def _answer(question: str, seconds: float) -> dict[str, Any]:
    for _ in range(TRIES):
        try:
            child = subprocess.run(  # noqa: S603  this interpreter and our own script
                [sys.executable, "-P", PROBE],
                input=question,
                capture_output=True,
                text=True,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired as late:
            raise _failed(KafkaError._TIMED_OUT, "the client did not answer in time") from late  # noqa: SLF001  librdkafka's own codes are so named
        if child.returncode == 0:
            answer: dict[str, Any] = json.loads(child.stdout)
            return answer
    raise _failed(KafkaError._TRANSPORT, "the client crashed")  # noqa: SLF001  the same


def _failed(code: int, text: str) -> KafkaException:
    return KafkaException(KafkaError(code, text))
