import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scorer.batch import Reason, Records, Rejected
from scorer.errors import Fatal
from scorer.kafka import DeadLetterLimit


def batch(first: int, records: int) -> Records:
    """Return records of one partition."""
    place = np.zeros(records, np.int32)
    offset = np.arange(first, first + records)
    return Records(("in",), place, place, offset, offset, (None,) * records, np.empty(0, np.uint8), offset * 0)


def bad(number: int, reason: Reason = Reason.TRUNCATED) -> list[Rejected]:
    return [Rejected(row, reason, f"row {row} ends") for row in range(number)]


def test_without_a_ratio_there_is_no_limit() -> None:
    limit = DeadLetterLimit(None, 1)
    limit.check(batch(0, 10), bad(10))


def test_a_batch_that_exceeds_the_ratio_is_refused_but_not_one_that_meets_it() -> None:
    limit = DeadLetterLimit(0.5, 10)
    limit.check(batch(0, 10), bad(5))
    with pytest.raises(Fatal, match=r"6 of the last 10 records"):
        limit.check(batch(10, 10), bad(6))


def test_records_that_have_not_arrived_yet_count_as_good() -> None:
    limit = DeadLetterLimit(0.1, 1000)
    limit.check(batch(0, 100), bad(100))
    with pytest.raises(Fatal, match=r"101 of the last 101 records .* \(0\.1 of 1,000\)"):
        limit.check(batch(100, 1), bad(1))


def test_ratio_0_allows_no_dead_letters() -> None:
    limit = DeadLetterLimit(0.0, 1000)
    limit.check(batch(0, 500), [])
    with pytest.raises(Fatal):
        limit.check(batch(500, 500), bad(1))


def test_a_retried_batch_counts_once() -> None:
    limit = DeadLetterLimit(0.5, 10)
    for _ in range(20):
        limit.check(batch(0, 10), bad(5))


def test_the_error_names_the_most_frequent_reason_an_example_and_a_remedy() -> None:
    limit = DeadLetterLimit(0.0, 1)
    with pytest.raises(Fatal) as stopped:
        limit.check(batch(0, 10), [*bad(2, Reason.EMPTY), *bad(3, Reason.UNKNOWN_SCHEMA)])
    text = str(stopped.value)
    assert (
        "5 of the last 10 records cannot be scored, 3 of them because of 'unknown-schema' (such as: row 0 ends)" in text
    )
    assert "The current batch was not published or committed. Fix the schema" in text


@given(
    st.lists(st.tuples(st.integers(1, 30), st.floats(0, 1)), min_size=1, max_size=30),
    st.floats(0, 1),
    st.integers(1, 60),
)
def test_the_limit_is_enforced_exactly_when_the_window_exceeds_the_ratio(
    batches: list[tuple[int, float]], ratio: float, window: int
) -> None:
    limit, seen = DeadLetterLimit(ratio, window), list[tuple[int, int]]()
    for records, share in batches:
        first, letters = sum(size for size, _ in seen), int(records * share)
        seen.append((records, letters))
        last = next(
            seen[-count:]
            for count in range(1, len(seen) + 1)
            if _records(seen[-count:]) >= window or count == len(seen)
        )
        exceeded = sum(dead for _, dead in last) > ratio * max(_records(last), window)
        try:
            limit.check(batch(first, records), bad(letters))
        except Fatal:
            assert exceeded
            return
        assert not exceeded


def _records(batches: list[tuple[int, int]]) -> int:
    return sum(size for size, _ in batches)


def test_a_refused_prediction_that_becomes_a_dead_letter_counts_too() -> None:
    limit = DeadLetterLimit(0.5, 10)
    limit.check(batch(0, 10), bad(4, Reason.UNWRITABLE))
    limit.add(Rejected(9, Reason.UNWRITABLE, "too large"))
    with pytest.raises(Fatal, match=r"6 of the last 10 records .* 'unwritable' \(such as: too large\)"):
        limit.add(Rejected(8, Reason.UNWRITABLE, "too large"))
    DeadLetterLimit(None, 1).add(Rejected(0, Reason.UNWRITABLE, "too large"))


def test_dead_letters_of_guarded_canaries_do_not_count() -> None:
    limit = DeadLetterLimit(0.1, 10)
    limit.exempt = frozenset({"2"})
    limit.check(batch(0, 10), [Rejected(row, Reason.MODEL_ERROR, "", "2") for row in range(10)])
    champions = [Rejected(row, Reason.MODEL_ERROR, "", "1") for row in range(2)]
    with pytest.raises(Fatal, match=r"2 of the last 10 records"):
        limit.check(batch(10, 10), champions)
