"""Mutants of drift: of what counts, of what is told, and of when a column drifts."""

from tests.mutants.mutant import Mutant

BOARD = "tests/drift/test_board.py::"
LEDGER = "tests/drift/test_ledger.py::"
DRIFTING = "tests/group/test_drifting.py::"
LIMITS = "tests/drift/test_limits.py::"

MUTANTS = [
    Mutant(
        "events are told before they are committed",
        "scorer.drift.ledger:Ledger._ready",
        "each.next <= committed",
        "True",
        LEDGER + "test_nothing_is_told_before_it_is_committed",
    ),
    Mutant(
        "what is committed of a partition that leaves is never told",
        "scorer.drift.ledger:Ledger.forget",
        "self._done += self._ready(place)",
        "pass",
        LEDGER + "test_of_a_partition_that_leaves_only_what_is_committed_is_told",
    ),
    Mutant(
        "batches of a partition that has left count",
        "scorer.drift.ledger:Ledger._open",
        "self._gone.get(place, -1) < generation",
        "True",
        LEDGER + "test_a_batch_of_the_time_before_a_partition_left_counts_no_more",
    ),
    Mutant(
        "slices of one replica leave gaps at markers of transactions",
        "scorer.drift.ledger:Ledger._seal",
        "min(first, self._expected.get(place, first))",
        "first",
        LEDGER + "test_slices_of_one_replica_leave_no_gap",
    ),
    Mutant(
        "a replay counts twice",
        "scorer.drift.tracks:Tracks.add",
        "track.recent[-1].first >= found.first",
        "False",
        BOARD + "test_a_replay_replaces_what_it_counts_again",
    ),
    Mutant(
        "a replay counts twice in the open window",
        "scorer.drift.board:Board._add",
        "(each.topic, each.partition, each.first) not in replaced",
        "True",
        BOARD + "test_a_replay_replaces_what_it_counts_again",
    ),
    Mutant(
        "offsets that nobody counted are not told",
        "scorer.drift.tracks:Tracks.add",
        "track.uncounted += found.first - track.next",
        "pass",
        BOARD + "test_offsets_that_nobody_counted_are_told_and_a_replay_takes_that_back",
    ),
    Mutant(
        "the slice of one partition is a window",
        "scorer.drift.board:Board._is_full",
        "line.places <= window.places",
        "True",
        BOARD + "test_a_window_has_all_partitions_of_the_one_before_unless_one_is_silent",
    ),
    Mutant(
        "one window is an alarm",
        "scorer.drift.board:Board._alarm",
        "often[column.name] < limits.windows",
        "often[column.name] < 1",
        BOARD + "test_an_alarm_needs_so_many_of_the_last_windows_and_ends",
    ),
    Mutant(
        "an unknown category is a missing value",
        "scorer.drift.bins:place_codes",
        "bins + (rows.bits[rows.chosen[each], at] == UNKNOWN_BITS)",
        "bins",
        "tests/drift/test_bins.py::test_shares_come_from_the_right_bins",
    ),
    Mutant(
        "rare bins are compared one by one",
        "scorer.drift.compare:compare",
        "reference * rows[column] < RARE * all_rows[column]",
        "reference < 0",
        BOARD + "test_a_window_is_exact",
    ),
    Mutant(
        "the limit is that of a single window, though several are looked at",
        "scorer.drift.limits:Limits.alpha",
        "(self.false_alarms / (tests * choices)) ** (1 / self.windows)",
        "self.false_alarms / tests",
        LIMITS + "test_the_chance_follows_from_the_alarms_that_are_accepted",
    ),
    Mutant(
        "the limit does not know how few events a window has",
        "scorer.drift.limits:Limits.limit",
        "1 / events + 1 / reference",
        "1 / reference",
        LIMITS + "test_the_least_psi_and_columns_that_cannot_differ",
    ),
    Mutant(
        "each replica has a baseline of its own",
        "scorer.drift.board:Board.of_stream",
        "min(fitting, key=lambda each: each.id, default=None)",
        "next(iter(fitting), None)",
        BOARD + "test_of_two_baselines_of_the_stream_all_use_the_same",
    ),
    Mutant(
        "what was committed is not told at a stop",
        "scorer.group.drifting:Drifting.last",
        "self.ledger.seal()",
        "pass",
        DRIFTING + "test_what_is_committed_is_told_at_last",
    ),
    Mutant(
        "a column that drifts is said with every window",
        "scorer.group.drifting:Drifting._show",
        "alarms.keys() - self._alarms.keys()",
        "alarms.keys()",
        DRIFTING + "test_a_column_that_drifts_is_said_once_and_once_that_it_no_longer_does",
    ),
    Mutant(
        "nobody hears which offsets are committed",
        "scorer.kafka.delivery.commits:Commits.succeeded",
        "self.observer.confirmed(offsets)",
        "pass",
        "tests/kafka/test_observer.py::test_confirmed_offsets_are_told_and_refused_ones_are_not",
    ),
    Mutant(
        "a source that cannot be told ends the telling",
        "scorer.group.telling:Telling._run",
        "self._stopping.wait(RETRY_SECONDS)",
        "return",
        "tests/group/test_telling.py::test_a_topic_that_is_away_is_said_once_and_tried_again",
    ),
    Mutant(
        "a slice with events and no scores is in a window",
        "scorer.drift.board:_fits",
        "bool(found.arms) or not found.events",
        "True",
        "tests/drift/test_board.py::test_what_has_another_form_is_passed_over",
    ),
]
