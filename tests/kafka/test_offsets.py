"""The first and the next offset of each partition in a batch, however many records it has."""

from hypothesis import given
from hypothesis import strategies as st

from scorer.kafka.offsets import FEW, Offsets, Partition, first_and_next_offsets, next_offsets
from tests.kafka.delivery.test_checkpoint import PARTITIONS, records

ROWS = st.tuples(st.sampled_from(PARTITIONS), st.integers(0, 2**62))


def test_the_next_offset_of_each_partition_is_one_after_its_last_record() -> None:
    batch = records([(("a", 0), 4), (("a", 1), 9), (("a", 0), 5), (("b", 0), 2**40)])
    assert next_offsets(batch) == {("a", 0): 6, ("a", 1): 10, ("b", 0): 2**40 + 1}


@given(st.lists(ROWS, max_size=FEW) | st.lists(ROWS, min_size=FEW + 1, max_size=2 * FEW))
def test_the_offsets_of_a_batch_are_those_that_a_plain_loop_finds(rows: list[tuple[Partition, int]]) -> None:
    first, following = Offsets(), Offsets()
    for partition, offset in rows:
        first.setdefault(partition, offset)
        following[partition] = offset + 1
    assert first_and_next_offsets(records(rows)) == (first, following)
