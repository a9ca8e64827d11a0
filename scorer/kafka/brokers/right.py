"""A right at the brokers that a user lacks, and the command that grants it."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Right:
    """One operation on one resource.

    operation: its name in `kafka-acls`, such as `Read`.
    resource:  the type of the resource, such as `topic`.
    name:      the name of the resource; empty for the cluster.
    use:       what the right is needed for, as the words after "may not".
    prefixed:  whether the right is needed for every name with this prefix.
    """

    operation: str
    resource: str
    name: str
    use: str
    prefixed: bool = False

    def lacking(self, user: str, servers: str) -> str:
        """Return a sentence that says that a user lacks the right, with the command that grants it."""
        name = f" {self.name}{'*' if self.prefixed else ''}" if self.name else ""
        command = ["kafka-acls", "--bootstrap-server", servers, "--add", "--allow-principal", user or "User:NAME"]
        command += ["--operation", self.operation, f"--{self.resource.replace(' ', '-')}"]
        command += [self.name] if self.name else []
        command += ["--resource-pattern-type", "prefixed"] if self.prefixed else []
        return (
            f"kafka: {user or 'this user'} may not {self.use}; grant {self.operation.upper()} on {self.resource}{name}"
            f" and see that nothing denies it: `{shlex.join(command)}`"
        )


def to_read(topic: str) -> Right:
    """Return the right to read a topic."""
    return Right("Read", "topic", topic, f"read topic {topic}")


def to_write(topic: str) -> Right:
    """Return the right to write to a topic."""
    return Right("Write", "topic", topic, f"write to topic {topic}")


def to_join(group: str) -> Right:
    """Return the right to be a member of a group."""
    return Right("Read", "group", group, f"join group {group} or commit its offsets")


def to_begin(group: str) -> Right:
    """Return the right to the transactions of a group's replicas."""
    return Right("Write", "transactional id", f"{group}-", f"use the transactional ids of {group}", prefixed=True)


IDEMPOTENCE = Right("IdempotentWrite", "cluster", "", "use an idempotent producer")


def principal(properties: Mapping[str, str]) -> str:
    """Return the principal of the configured user, or an empty text if only the brokers know it."""
    protocol = properties.get("security.protocol", "plaintext").lower()
    if protocol == "plaintext":
        return "User:ANONYMOUS"
    name = properties.get("sasl.username", "")
    return f"User:{name}" if protocol.startswith("sasl") and name else ""
