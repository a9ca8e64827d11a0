"""The quality on the page is that of all partitions and of the last windows together."""

import json

import numpy as np
import pytest

from scorer.labels.account import KIND, Account
from scorer.labels.cells import Key, Measure, cell_of
from scorer.labels.figures import auc
from scorer.labels.pairs import Pairs
from scorer.labels.task import Task
from scorer.page.quality import AGAIN_SECONDS, WINDOWS, QualityChapter

HOUR_MS = 3_600_000
BINARY = Measure(Task.BINARY, probabilities=True, threshold=0.5)
ARM = Key("1", "champion")


def events(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores and labels of a hundred events."""
    chance = np.random.default_rng(seed)
    scores = chance.random(100).astype(np.float32)
    return scores, (chance.random(100) < scores).astype(np.float64)


def account(window: int, partition: int, *, closed: bool = True) -> Account:
    scores, labels = events(1000 * window + partition)
    cell = cell_of(BINARY, scores, labels, np.ones(len(scores), np.bool_))
    of_segment = Key("1", "champion", "carrier", "UA")
    return Account(partition, window * HOUR_MS, 0, 100, closed, BINARY, {ARM: cell, of_segment: cell})


def hear(chapter: QualityChapter, *accounts: Account) -> None:
    for each in accounts:
        chapter.heard(KIND, each.name, json.loads(json.dumps(each.document())), 0.0)


def test_partitions_and_the_last_windows_are_added_up() -> None:
    chapter = QualityChapter()
    windows = range(WINDOWS + 3)
    hear(chapter, *(account(window, partition, closed=window < 25) for window in windows for partition in range(2)))
    document = chapter.document()
    assert document is not None
    assert document["about"] == "windows since 1970-01-01 03:00 UTC: 24, of which waiting for labels: 2"
    shown = [events(1000 * window + partition) for window in windows[-WINDOWS:] for partition in range(2)]
    scores, labels = (np.concatenate(each) for each in zip(*shown, strict=True))
    expected = auc(Pairs.of(scores, labels == 1))
    assert expected is not None
    found = {each["metric"]: each for each in document["metrics"]}
    assert found["AUC"]["value"] == pytest.approx(expected.value, abs=1e-6)
    assert found["AUC"]["low"] == pytest.approx(expected.low, abs=1e-6)
    assert (found["AUC"]["version"], found["AUC"]["arm"], found["AUC"]["count"]) == ("1", "champion", 4_800)
    assert found["Brier score"]["value"] == pytest.approx(float(np.mean((scores - labels) ** 2)), abs=1e-6)
    assert len(found["AUC"]["history"]) == WINDOWS
    assert found["Brier score"]["history"] == []


def test_a_segment_is_not_shown_as_an_arm() -> None:
    chapter = QualityChapter()
    hear(chapter, account(0, 0))
    document = chapter.document()
    assert document is not None
    assert len({each["metric"] for each in document["metrics"]}) == len(document["metrics"])


def test_sums_are_made_anew_now_and_then_and_forgotten_with_the_log() -> None:
    now = [100.0]
    chapter = QualityChapter(lambda: now[0])
    assert chapter.document() is None
    now[0] += AGAIN_SECONDS
    hear(chapter, account(0, 0))
    one = chapter.document()
    assert one is not None
    hear(chapter, account(0, 1))
    assert chapter.document() is one
    now[0] += AGAIN_SECONDS
    both = chapter.document()
    assert both is not None
    assert both["metrics"][0]["count"] == 200
    chapter.began()
    assert chapter.document() is None
