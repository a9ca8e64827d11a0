"""A published batch finds the write of each row."""

from types import SimpleNamespace

import numpy as np

from scorer.batch import Payloads, Reason, Records, Rejected
from scorer.kafka import DeadLetters
from scorer.kafka.delivery.checkpoint import InFlight
from scorer.kafka.delivery.published import Published

ROWS = 5
EVENT = SimpleNamespace(headers=lambda: None, value=lambda: b"", key=lambda: b"", timestamp=lambda: (0, 0))
PREDICTIONS = [b"one", b"a two b", b"two", b"three"]  # for all rows except row 1, which is rejected


def published() -> Published:
    place, offset = np.zeros(ROWS, np.int32), np.arange(10, 10 + ROWS)
    keys = [b"%d" % row for row in range(ROWS)]
    records = Records(("in",), place, place, offset, offset, keys, np.empty(0, np.uint8), offset * 0, [EVENT] * ROWS)
    ends = np.cumsum([len(each) for each in PREDICTIONS])
    payloads = Payloads(
        np.array([0, 2, 3, 4]), b"".join(PREDICTIONS), ends, 0, ("1", "2"), np.array([0, 0, 0, 1, 0], np.uint8)
    )
    rejected = [Rejected(1, Reason.EMPTY, "no bytes")]
    batch = InFlight({}, ROWS, ROWS, lambda _: None)
    return Published("out", DeadLetters("dead", "model", "1"), records, payloads, rejected, batch)


def test_a_prediction_is_found_by_its_bytes_and_not_inside_another() -> None:
    batch = published()
    assert [batch.row_of(prediction) for prediction in PREDICTIONS] == [0, 2, 3, 4]
    assert [batch.write(row)["value"] for row in (0, 2, 3, 4)] == PREDICTIONS
    assert batch.ordinary == len(b"one")
    assert batch.named(4) == "the prediction of in-0@14"


def test_a_row_that_becomes_a_dead_letter_no_longer_has_a_prediction() -> None:
    batch = published()
    batch.reject(Rejected(3, Reason.UNWRITABLE, "too large"))
    assert batch.letters == [1, 3]
    assert batch.payloads.rows.tolist() == [0, 2, 4]
    assert [batch.write(row)["value"] for row in (0, 2, 4)] == [b"one", b"a two b", b"three"]
    assert [each.row for each in batch.batch.unwritable] == [3]
    assert batch.named(3) == "the dead letter of in-0@13"


def test_a_prediction_that_becomes_a_dead_letter_names_the_version_that_scored_it() -> None:
    batch = published()
    for row in (2, 3):
        batch.reject(Rejected(row, Reason.UNWRITABLE, "too large"))
    named = [dict(batch.write(row)["headers"])["scorer.version"] for row in (2, 3)]
    assert named == [b"1", b"2"]
    assert [each.version for each in batch.batch.unwritable] == ["1", "2"]
