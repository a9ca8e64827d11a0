"""Which requests of `scorer serve` are traced."""

import pytest

from scorer.otel.answered import Answered, Requests
from tests.otel.batches import TRACEPARENT

RECORDED = TRACEPARENT.decode()
NOT_RECORDED = f"{RECORDED[:-1]}0"


@pytest.mark.parametrize(
    ("traceparent", "drawn", "traced"),
    [
        (RECORDED, 0.9, True),
        (NOT_RECORDED, 0.0, False),
        (f"{RECORDED[:-2]}03", 0.9, True),
        (f"{RECORDED}1", 0.0, False),
        ("anything1", 0.0, False),
        ("", 0.4, True),
        ("", 0.5, False),
    ],
)
def test_the_caller_decides_or_a_share_is_drawn(traceparent: str, drawn: float, *, traced: bool) -> None:
    sent: list[Answered] = []
    headers = {"traceparent": traceparent} if traceparent else {}
    Requests(0.5, sent.append, lambda: drawn).answered("POST", "/score", headers, 200, 1.0)
    assert [(each.route, each.parent, each.spans) for each in sent] == [("/score", traceparent, 1)] * traced
