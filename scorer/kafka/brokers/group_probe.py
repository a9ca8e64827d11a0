"""Ask the brokers about a consumer group, in a separate process, since the client may crash.

It reads {"properties", "group", "rights", "topics", "seconds"} as JSON from stdin, and writes the answer, or {"code",
"text"} of an error, as JSON to stdout. It imports nothing of the project. `scorer.kafka.brokers.groups` starts it.
"""

import json
import os
import sys
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient


def ask(properties: dict[str, Any], group: str, rights: bool, topics: list[str], seconds: float) -> dict[str, Any]:  # noqa: FBT001  by name, from JSON
    """Return the state of a group, our rights on it, its members' partitions, and the partition counts of topics.

    Raises:
        KafkaException: the request failed.
    """
    client = AdminClient(properties)
    (future,) = client.describe_consumer_groups(
        [group], include_authorized_operations=rights, request_timeout=seconds
    ).values()
    described = future.result()
    return {
        "state": described.state.name.lower(),
        "operations": [operation.name for operation in described.authorized_operations or ()],
        "owners": [
            (at.topic, at.partition, member.group_instance_id or member.member_id, member.host.lstrip("/"))
            for member in described.members
            for at in member.assignment.topic_partitions
        ],
        "sizes": {topic: len(client.list_topics(topic, timeout=seconds).topics[topic].partitions) for topic in topics},
    }


if __name__ == "__main__":
    try:
        answer = ask(**json.load(sys.stdin))
    except KafkaException as failed:
        answer = {"code": failed.args[0].code(), "text": failed.args[0].str()}
    sys.stdout.write(json.dumps(answer))
    sys.stdout.flush()
    os._exit(0)  # skip the client's destructor
