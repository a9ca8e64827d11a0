"""Mutants of `scorer serve`."""

from tests.mutants.mutant import Mutant

ANSWERS = "tests/rest/test_answers.py::"
DESK = "tests/rest/test_desk.py::"

MUTANTS = [
    Mutant(
        "a request gets the scores of another one",
        "scorer.rest.answers:Answers._divided",
        "rows = documents[first:end]",
        "rows = documents[: end - first]",
        ANSWERS + "test_each_request_of_a_batch_gets_its_own_answer",
    ),
    Mutant(
        "a bad row gets the score of nothing",
        "scorer.rest.answers:Answers._divided",
        "faults |= {first + row: fault for row, fault in order.rows.bad.items()}",
        "faults |= {row: fault for row, fault in order.rows.bad.items()}",
        ANSWERS + "test_each_request_of_a_batch_gets_its_own_answer",
    ),
    Mutant(
        "features that came with one event are those of another",
        "scorer.rest.inline:_joined",
        "np.arange(first, first + len(rows), dtype=np.int32)",
        "np.full(len(rows), first, np.int32)",
        ANSWERS + "test_features_that_came_with_an_event_are_its_own",
    ),
    Mutant(
        "keys are looked up whose features came with the event",
        "scorer.rest.inline:without_given",
        "request.entity.name in features",
        "not features",
        ANSWERS + "test_a_batch_is_one_look_up",
    ),
    Mutant(
        "a request that needs no store fails with those that do",
        "scorer.rest.answers:Answers._complete",
        "rows.complete(entity.name for entity in self.lineup.entities)",
        "False",
        ANSWERS + "test_while_the_store_is_away_only_requests_that_need_it_fail",
    ),
    Mutant(
        "a null stands among the scores of a dialect that has no place for reasons",
        "scorer.rest.exchange:Scored.scores",
        "self.faults",
        "False",
        ANSWERS + "test_each_request_of_a_batch_gets_its_own_answer",
    ),
    Mutant(
        "requests that arrive during a batch are scored one by one",
        "scorer.rest.desk:Desk._collect",
        "len(waiting) < self._most",
        "not waiting",
        DESK + "test_what_arrives_during_a_batch_is_the_next_one",
    ),
]
