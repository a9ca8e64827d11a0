"""The drift on the page is that of the board of `scorer drift`."""

import json

import numpy as np
import pytest

from scorer.drift import BASELINES, COUNTS, Limits, Rules
from scorer.drift.baseline import Profile
from scorer.page.drift import MOST_BINS, WINDOWS, DriftChapter, histogram, labels
from tests.drift.streams import COLUMNS, baseline, rows, slice_of

BASE = baseline()
RULES = Rules(1_000, 60, Limits(1, 2, 3, 0.05))


def heard(windows: int, **how: float) -> DriftChapter:
    chapter = DriftChapter(RULES)
    chapter.heard(BASELINES, BASE.id, json.loads(BASE.text()), 0.0)
    for number in range(windows):
        counted = slice_of(BASE, *rows(1_000, 100 + number, **how), number * 1_000)
        chapter.heard(COUNTS, "in/0/1", json.loads(json.dumps(counted.document())), float(number))
    return chapter


def test_the_heat_map_has_the_windows_of_the_board() -> None:
    chapter = heard(WINDOWS + 5)
    document = chapter.document()
    assert document is not None
    windows = chapter._board.windows[-WINDOWS:]
    assert [each["name"] for each in document["columns"]] == [*COLUMNS, "score"]
    assert [each["number"] for each in document["windows"]] == [each.number for each in windows]
    for shown, window in zip(document["windows"], windows, strict=True):
        assert shown["psi"] == pytest.approx([each.psi for each in window.columns], abs=1e-4)
    assert document["reference"] == "the baseline"


def test_a_column_that_drifts_is_marked_and_its_histogram_has_moved() -> None:
    steady, shifted = heard(4).document(), heard(4, shift=1.0).document()
    assert steady is not None
    assert shifted is not None
    assert [each["name"] for each in steady["columns"] if each["alarm"]] == []
    drifting = [each["name"] for each in shifted["columns"] if each["alarm"]]
    assert drifting
    for name in (*COLUMNS, "score"):
        shares = shifted["histograms"][name]
        assert len(shares["bins"]) == len(shares["reference"]) == len(shares["now"])
        assert sum(shares["now"]) == pytest.approx(1, abs=0.01)
    moved = shifted["histograms"][drifting[0]]
    assert np.abs(np.subtract(moved["now"], moved["reference"])).sum() > 0.2


def test_before_a_window_has_ended_there_is_nothing_and_another_beginning_forgets() -> None:
    assert heard(0).document() is None
    chapter = heard(2)
    assert chapter.document() is chapter.document()
    chapter.began()
    assert chapter.document() is None


def test_labels_name_the_bins_of_numbers_and_of_categories() -> None:
    assert labels(Profile("a", (1, 2), 0, 0, (0.5,), 0.0, 12.25)) == ["below", "0.5", "12.2", "above", "missing"]
    assert labels(Profile("a", (1, 2), 0, 0, codes=2)) == ["0", "1", "missing", "unknown"]


def test_of_many_bins_the_rare_ones_are_one() -> None:
    many = 100
    shares = [2 / many if at % 10 == 0 else 0.8 / 90 for at in range(many)]
    shown = histogram([str(at) for at in range(many)], shares, shares[::-1])
    assert len(shown["bins"]) == MOST_BINS + 1
    assert shown["bins"][-1] == "others"
    assert sum(shown["reference"]) == pytest.approx(sum(shares), abs=1e-3)
    assert {"0", "10", "90", "9", "99"} <= set(shown["bins"])
