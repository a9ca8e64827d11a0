"""The number of records that are taken at once, small and large ones."""

from collections.abc import Sequence
from typing import Any

from scorer.kafka.consume.intake import STEP, Intake
from scorer.settings import BatchSettings

HEAVY = [("a", b"b")] * 10_000


class Queue:
    """Returns records as the client does, and buffers them as the source does."""

    def __init__(self, intake: Intake, headers: Sequence[tuple[str, bytes]]) -> None:
        self._intake, self._headers = intake, headers
        self.held: list[Any] = []
        self.most = 0  # without waiting
        self.left = 1_000_000

    def take(self, records: int, _: float) -> int:
        taken: list[Any] = [Fake(self._headers) for _ in range(min(records, self.left))]
        self.left -= len(taken)
        self.most = max(self.most, records)
        self._intake.weigh(taken)
        self.held += taken
        return len(taken)

    def gather(self) -> None:
        self.held.clear()
        self._intake.gather(self.take, lambda: len(self.held), busy=False, settled=True)


class Fake:
    """A record with headers."""

    def __init__(self, headers: Any) -> None:
        self._headers = headers

    def value(self) -> bytes:
        return b"value"

    def key(self) -> None:
        return None

    def headers(self) -> Any:
        if self._headers is None:
            raise SystemError("returned a result with an exception set")
        return self._headers


def test_a_batch_of_small_records_is_full() -> None:
    intake = Intake(BatchSettings(max_records=500))
    queue = Queue(intake, [])
    queue.gather()
    assert len(queue.held) == 500
    assert intake.rows >= 500


def test_records_with_many_headers_are_read_one_by_one_once_detected() -> None:
    intake = Intake(BatchSettings(max_records=500, max_bytes=1_000_000))
    queue = Queue(intake, HEAVY)
    queue.gather()
    assert len(queue.held) == STEP
    assert intake.rows == 1
    queue.most = 0
    queue.gather()
    assert (len(queue.held), queue.most) == (1, 1)


def test_a_batch_is_taken_ahead_only_if_it_is_full_and_otherwise_filled_by_the_next_call() -> None:
    intake = Intake(BatchSettings(max_records=500))
    queue = Queue(intake, [])
    assert intake.gather_ahead(queue.take, lambda: len(queue.held))
    assert len(queue.held) == 500
    assert not intake.gather_ahead(queue.take, lambda: len(queue.held)), "they were not handed out"
    queue.held.clear()
    queue.left = 100
    assert not intake.gather_ahead(queue.take, lambda: len(queue.held))
    assert len(queue.held) == 100
    queue.left = 1_000
    intake.gather(queue.take, lambda: len(queue.held), busy=False, settled=True)
    assert len(queue.held) == 500
