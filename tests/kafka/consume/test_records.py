from collections.abc import Sequence

import pytest
from confluent_kafka import Message

from scorer.kafka.consume.records import columns


def delivered(sizes: Sequence[tuple[int | None, int | None]]) -> list[Message]:
    """Return messages with a value and a key of these sizes in bytes; None is a null."""
    return [
        Message(
            topic="events",
            partition=0,
            offset=offset,
            timestamp=(1, offset),
            value=None if value is None else b"v" * value,
            key=None if key is None else b"k" * key,
        )
        for offset, (value, key) in enumerate(sizes)
    ]


@pytest.mark.parametrize(
    ("sizes", "most", "rows"),
    [
        ([(10, 5), (10, 5), (10, 5)], 45, 3),
        ([(10, 5), (10, 5), (10, 5)], 44, 2),
        ([(10, None), (None, 30), (10, 0)], 50, 3),
        ([(10, None), (None, 30), (10, 0)], 49, 2),
        ([(1, 100), (1, 1)], 50, 1),
        ([(100, 1), (1, 1)], 50, 1),
    ],
)
def test_a_batch_is_bounded_in_bytes_of_values_and_keys(
    sizes: Sequence[tuple[int | None, int | None]], most: int, rows: int
) -> None:
    messages = delivered(sizes)
    records = columns(messages, ["events"], most, generation=1, membership=None)
    assert len(records) == len(records.keys) == len(records.originals) == rows
    assert records.offset.tolist() == list(range(rows))
    assert records.ends.tolist()[-1] == len(records.data) == sum(value or 0 for value, _ in sizes[:rows])
