"""Describing a consumer group."""

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
TRIES = 5  # attempts, since the client crashes if a connection breaks just as the request is sent
START_SECONDS = 30.0  # for a process to start on a busy machine


@dataclass(frozen=True, slots=True)
class GroupDescription:
    """A consumer group.

    state:      the state, such as `stable`, `empty` or `dead`.
    operations: the operations that the user is allowed, such as `READ`; empty if not requested or not reported.
    owners:     by partition, the group.instance.id or member id of its member, and the member's host.
    sizes:      the number of partitions, by requested topic.
    """

    state: str
    operations: frozenset[str]
    owners: Mapping[Partition, tuple[str, str]]
    sizes: Mapping[str, int]


def describe_group(
    kafka: KafkaSettings, group: str, seconds: float, *, rights: bool = False, topics: Collection[str] = ()
) -> GroupDescription:
    """Describe a group.

    This runs in a child process: if the connection to a group's coordinator breaks while an admin request is being
    sent, librdkafka (2.16 and before) aborts the process, which cannot be caught.

    Args:
        kafka: the brokers, and how to log in.
        group: the group's id.
        seconds: the timeout of the request.
        rights: whether to ask for the operations, too.
        topics: whether to count the partitions of some topics, too.

    Raises:
        KafkaException: the request failed.
    """
    chosen = {"log_level": 0, **properties(kafka, "admin")}
    request = {"properties": chosen, "group": group, "rights": rights, "topics": list(topics), "seconds": seconds}
    answer = _answer(json.dumps(request), seconds + START_SECONDS)
    if "code" in answer:
        raise KafkaException(KafkaError(answer["code"], answer["text"]))
    owners = {(topic, partition): (member, host) for topic, partition, member, host in answer["owners"]}
    return GroupDescription(answer["state"], frozenset(answer["operations"]), owners, answer["sizes"])


def _answer(request: str, seconds: float) -> dict[str, Any]:
    for _ in range(TRIES):
        try:
            child = subprocess.run(  # noqa: S603  this interpreter and our own script
                [sys.executable, "-P", PROBE],
                input=request,
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
