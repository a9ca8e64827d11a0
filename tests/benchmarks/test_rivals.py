from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from benchmarks.contenders import SCORES
from benchmarks.contract import Contract
from benchmarks.rivals import batched, naive
from benchmarks.topics import Output
from benchmarks.verify import verify
from benchmarks.workload import Workload
from scorer.sandbox import Redis

Score = Callable[[Sequence[bytes]], list[tuple[bytes, bytes]]]


def score_naively(contract: Contract) -> Score:
    scorer = naive.Scorer(contract)
    return lambda values: [scorer.score(value) for value in values]


@pytest.mark.parametrize(
    ("make", "layout"),
    [
        (lambda contract: batched.Scorer(contract).score, "hash"),
        (lambda contract: batched.Scorer(contract).score, "packed"),
        (score_naively, "hash"),
    ],
)
def test_a_rival_scores_correctly(
    workload: Workload, loaded_redis: Redis, make: Callable[[Contract], Score], layout: str
) -> None:
    contract = Contract("", loaded_redis.address, "", "", "", workload.folder, Path(), layout)
    score = make(contract)
    events = 3000
    values = [workload.event(number)[1] for number in range(events)]
    outputs = [Output(0, *each) for start in range(0, events, 500) for each in score(values[start : start + 500])]
    verdict = verify(outputs, workload, events, SCORES)
    assert verdict.passed, verdict
