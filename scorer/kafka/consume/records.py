"""Converts the client's messages to columns."""

from collections.abc import Sequence

import numpy as np
from confluent_kafka import Message
from numpy.typing import NDArray

from scorer.batch import Records


def columns(
    messages: Sequence[Message], topics: Sequence[str], max_bytes: int, generation: int, membership: object
) -> Records:
    """Return the first messages as one batch: as many as fit into the limit of bytes, and at least one.

    Args:
        messages: messages without errors.
        topics: a superset of their topics.
        max_bytes: the limit on values and keys together.
        generation: the generation of the assignment in which they were read.
        membership: the group metadata of the member that read them.
    """
    values, keys = [message.value() or b"" for message in messages], [*map(Message.key, messages)]
    ends = _ends(values)
    if ends[-1] + sum(map(len, filter(None, keys))) > max_bytes:
        held = ends + _ends([key or b"" for key in keys])
        rows = max(1, int(np.searchsorted(held, max_bytes, "right")))
        messages, values, keys, ends = messages[:rows], values[:rows], keys[:rows], ends[:rows]
    return Records(
        topics=tuple(topics),
        topic=_topic_indexes(messages, topics),
        partition=np.fromiter(map(Message.partition, messages), np.int32, len(messages)),
        offset=np.fromiter(map(Message.offset, messages), np.int64, len(messages)),
        timestamp=np.array([message.timestamp()[1] for message in messages], np.int64),
        keys=keys,
        data=np.frombuffer(b"".join(values), np.uint8),
        ends=ends,
        originals=messages,
        generation=generation,
        membership=membership,
    )


def take(records: Records, rows: NDArray[np.intp]) -> Records | None:
    """Return some rows of a batch as a new batch, or None if there are no rows."""
    if not len(rows):
        return None
    starts = np.concatenate([[0], records.ends[:-1]])
    values = [records.data[starts[row] : records.ends[row]] for row in rows]
    return Records(
        topics=records.topics,
        topic=records.topic[rows],
        partition=records.partition[rows],
        offset=records.offset[rows],
        timestamp=records.timestamp[rows],
        keys=[records.keys[row] for row in rows],
        data=np.concatenate(values),
        ends=np.cumsum([len(value) for value in values]),
        originals=[records.originals[row] for row in rows],
        generation=records.generation,
        membership=records.membership,
    )


def _ends(texts: Sequence[bytes]) -> NDArray[np.int64]:
    """Return where each of some texts ends when all are concatenated."""
    return np.add.accumulate(np.fromiter(map(len, texts), np.int64, len(texts)))


def _topic_indexes(messages: Sequence[Message], topics: Sequence[str]) -> NDArray[np.int32]:
    if len(topics) == 1:
        return np.zeros(len(messages), np.int32)
    index = {name: number for number, name in enumerate(topics)}
    return np.array([index[message.topic() or ""] for message in messages], np.int32)
