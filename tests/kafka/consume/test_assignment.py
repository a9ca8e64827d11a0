from scorer.kafka.consume.assignment import Assignment
from tests.kafka.delivery.test_checkpoint import records

A, B = ("a", 0), ("a", 1)


def offsets(assignment: Assignment, rows: list[tuple[tuple[str, int], int]], generation: int) -> list[int]:
    read = records(rows)
    object.__setattr__(read, "generation", generation)
    kept = assignment.ours(read)
    return [] if kept is None else kept.offset.tolist()


def test_records_of_a_revoked_partition_are_dropped() -> None:
    assignment = Assignment()
    assignment.assign([A, B])
    read_at = assignment.generation
    assignment.revoke([A])
    assert offsets(assignment, [(A, 1), (B, 2), (A, 3)], read_at) == [2]


def test_a_partition_that_was_revoked_and_assigned_again_starts_over() -> None:
    assignment = Assignment()
    assignment.assign([A, B])
    read_at = assignment.generation
    assignment.revoke([A])
    assignment.assign([A])
    assert offsets(assignment, [(A, 1), (B, 2)], read_at) == [2]
    assert offsets(assignment, [(A, 1)], assignment.generation) == [1]


def test_there_is_no_batch_without_records_of_owned_partitions() -> None:
    assignment = Assignment()
    assert offsets(assignment, [(A, 1)], 0) == []


def test_a_standby_has_joined_without_partitions() -> None:
    assignment = Assignment()
    before = assignment.joined
    assignment.assign([])
    assert (before, assignment.joined, assignment.owned) == (False, True, {})


def test_a_replica_that_lost_its_partitions_is_not_a_standby_until_the_next_assignment() -> None:
    assignment = Assignment()
    assignment.assign([A, B])
    assignment.revoke([A])
    assert assignment.joined
    assignment.lose([B])
    assert (assignment.joined, assignment.owned) == (False, {})
    assignment.assign([])
    assert assignment.joined
