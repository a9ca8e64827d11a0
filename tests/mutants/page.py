"""Mutants of the live page: of the figures of a group, and of what a viewer may see and cost."""

from tests.mutants.mutant import Mutant

BOARD = "tests/page/test_board.py::"
FEED = "tests/page/test_feed.py::"
SITE = "tests/page/test_site.py::"
TELLING = "tests/page/test_telling.py::"

MUTANTS = [
    Mutant(
        "a signal that comes just before the wait is lost",
        "scorer.cli.page:run",
        "time.sleep(LOOK_SECONDS)",
        "time.sleep(1_000)",
        "tests/cli/test_page.py::test_a_signal_that_wakes_nobody_ends_the_page",
    ),
    Mutant(
        "a killed replica looks alive",
        "scorer.page.view:_replica",
        "silent > GONE_SECONDS",
        "False",
        BOARD + "test_a_replica_that_falls_silent_is_gone_and_forgotten_in_the_end",
    ),
    Mutant(
        "another group's replicas are shown",
        "scorer.page.board:Board.heard",
        "status.group == self._group",
        "True",
        BOARD + "test_only_replicas_of_the_group_are_shown",
    ),
    Mutant(
        "the percentiles are those of all time",
        "scorer.page.board:latency",
        "new - old",
        "new",
        BOARD + "test_percentiles_of_the_group_are_in_the_bucket_of_the_true_ones",
    ),
    Mutant(
        "a replica that was killed long ago looks alive to who begins to listen",
        "scorer.page.feed:Feed.heard",
        "now if self._live else min(seconds, now)",
        "now",
        FEED + "test_a_replica_that_was_killed_before_anybody_listened_is_gone_at_once",
    ),
    Mutant(
        "the document is shown without the token",
        "scorer.page.site:Site.answer",
        "tell() if known else unauthorised(request.authorization)",
        "tell()",
        SITE + "test_without_the_token_the_files_are_all_there_is",
    ),
    Mutant(
        "any number of viewers is served",
        "scorer.monitor.server:Server._safely",
        "response.stream and viewers >= MOST_VIEWERS",
        "False",
        SITE + "test_so_many_viewers_and_no_more",
    ),
    Mutant(
        "a viewer that does not read is kept",
        "scorer.monitor.connection:Connection.push",
        "self.done = True",
        "pass",
        SITE + "test_a_viewer_that_does_not_read_is_cut_off_and_others_are_not",
    ),
    Mutant(
        "a dead letter is told with what was found in the event",
        "scorer.page.telling:Ledger._letter",
        """f'{topic}-{records.partition[row]}-{records.offset[row]}' if topic else ''""",
        "rejected.detail",
        TELLING + "test_nothing_of_an_event_but_its_id_is_told",
    ),
    Mutant(
        "predictions are told although the page is off",
        "scorer.page.telling:Ledger.written",
        "self._keeps and len(predictions.rows) and (now := self._clock()) >= self._due",
        "len(predictions.rows) and (now := self._clock()) >= self._due",
        TELLING + "test_the_last_predictions_are_told_where_the_page_is_on",
    ),
]
