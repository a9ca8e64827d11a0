"""Mutants of labels."""

from tests.mutants.mutant import Mutant

LEDGER = "tests/labels/test_ledger.py::test_a_ledger_says_what_one_record_after_the_other_says_however_it_is_read"
FIGURES = "tests/labels/test_figures.py::"

MUTANTS = [
    Mutant(
        "an older label that comes late counts",
        "scorer.labels.table:apply",
        "news.times[at] >= rows.labelled[row]",
        "True",
        "tests/labels/test_ledger.py::test_the_label_with_the_latest_time_counts_and_of_two_the_later_one",
    ),
    Mutant(
        "a window is closed at the end of a batch",
        "scorer.labels.ledger:Ledger.take",
        "int(np.searchsorted(arrived, latest, 'right'))",
        "count",
        LEDGER,
    ),
    Mutant(
        "predictions that come late do not wait for labels",
        "scorer.labels.ledger:Ledger._closes_at",
        "self._windows[number].waits",
        "0",
        LEDGER,
    ),
    Mutant(
        "events of a closed window stay in memory",
        "scorer.labels.ledger:Ledger._close",
        "np.isin(self._numbers(self._table.rows), over)",
        "np.zeros(self._table.count, np.bool_)",
        "tests/labels/test_ledger.py::test_memory_is_bounded_by_the_horizon",
    ),
    Mutant(
        "windows from before the log begins are told again",
        "scorer.labels.ledger:Ledger._is_told",
        "number * self._span.window >= self._since",
        "True",
        "tests/labels/test_ledger.py::test_windows_from_before_the_log_begins_are_left_as_they_were_told",
    ),
    Mutant(
        "ties count as wins",
        "scorer.labels.figures:auc",
        "below + negatives / 2",
        "below + negatives",
        FIGURES + "test_the_area_under_the_curve_is_that_of_all_pairs_and_ties_count_half",
    ),
    Mutant(
        "a bad label stops the batch",
        "scorer.labels.reading:Labels._problem",
        "without_label[row]",
        "False",
        "tests/labels/test_reading.py::test_bad_labels_say_why_and_where_and_stop_nothing",
    ),
    Mutant(
        "a row without a prediction is captured",
        "scorer.replica.capturing:Sampling.draw",
        "drawn[each.rows] & ~np.isin(each.rows, left_out)",
        "drawn[each.rows]",
        "tests/replica/test_capturing.py::test_rows_are_captured_beside_the_loop",
    ),
    Mutant(
        "a transaction has the rows of another batch",
        "scorer.replica.capturing:TransactionCapture.writes",
        "np.array_equal(outcome.predictions.origin.offset, records.offset)",
        "True",
        "tests/replica/test_capturing.py::test_a_transaction_has_the_rows_of_its_own_batch_alone",
    ),
    Mutant(
        "a larger sample has other events",
        "scorer.rollout.arms:Sample.of",
        "self._threshold",
        "self._threshold ^ 0x7FFF_FFFF",
        "tests/replica/test_capturing.py::test_a_larger_sample_has_all_events_of_a_smaller_one",
    ),
    Mutant(
        "a label that no score can be is in the sums",
        "scorer.labels.cells:cell_of",
        "labelled & np.isfinite(scores) & fits(measure.task, labels)",
        "labelled & np.isfinite(scores)",
        "tests/labels/test_ledger.py::test_labels_beyond_what_a_score_can_be_are_in_no_measure",
    ),
    Mutant(
        "an account that contradicts itself is shown",
        "scorer.labels.cells:Cell.read",
        "not found.unusable <= found.labelled <= found.predictions or sum(found.outcomes.values()) != counted",
        "False",
        "tests/labels/test_ledger.py::test_counts_that_contradict_each_other_are_passed_over",
    ),
]
