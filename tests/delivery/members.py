"""The members of a consumer group, found by a child process, since librdkafka may abort the process that asks."""

import json
import subprocess
import sys
from dataclasses import dataclass

from tests.kafka.ends import patiently

ASK = """
import json, os, sys
from confluent_kafka.admin import AdminClient
admin = AdminClient({"bootstrap.servers": sys.argv[1], "log_level": 2})
(asked,) = admin.describe_consumer_groups([sys.argv[2]], request_timeout=5).values()
members = asked.result(10).members
print(json.dumps([[each.member_id, [at.partition for at in each.assignment.topic_partitions]] for each in members]))
sys.stdout.flush()
os._exit(0)
"""


@dataclass(frozen=True)
class Member:
    """A member of a group, and the partitions that it has."""

    member_id: str
    partitions: frozenset[int]


def members_of(bootstrap: str, group: str) -> list[Member]:
    """Return the members of a group; retry until there is an answer."""

    def ask(name: str) -> list[Member]:
        words = [sys.executable, "-c", ASK, bootstrap, name]
        asked = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
        if asked.returncode:
            raise TimeoutError(asked.stderr)
        return [Member(member_id, frozenset(partitions)) for member_id, partitions in json.loads(asked.stdout)]

    return patiently(ask, group)
