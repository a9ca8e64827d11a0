"""Mutants of `scorer serve`."""

from tests.mutants.mutant import Mutant

ANSWERS = "tests/rest/test_answers.py::"
DESK = "tests/rest/test_desk.py::"
CLIENTS, PUBLISHING = "tests/rest/test_clients.py::", "tests/rest/test_publishing.py::"

MUTANTS = [
    Mutant(
        "events of requests replace each other in the windows of drift",
        "scorer.rest.watching:RequestDrift.written",
        "first, self._next = self._next, self._next + rows",
        "first, self._next = 0, rows",
        "tests/rest/test_drift.py::test_every_event_of_a_request_is_counted_once",
    ),
    Mutant(
        "a version in a store loses the name of its model",
        "scorer.rest.arriving:fetched",
        "PurePosixPath(root.strip('/')).parts[-2:]",
        "PurePosixPath(root.strip('/')).parts[-1:]",
        "tests/rest/test_arriving.py",
    ),
    Mutant(
        "an output that should be JSON is bytes",
        "scorer.rest.dialects.tensors:binary_wanted",
        "parameters.get(name, asked)",
        "asked or parameters.get(name, False)",
        "tests/rest/test_dialects.py::test_infer_answers_with_bytes_if_it_is_asked_to",
    ),
    Mutant(
        "a request gets the scores of another one",
        "scorer.rest.orders:divided",
        "rows = documents[first:end]",
        "rows = documents[: end - first]",
        ANSWERS + "test_each_request_of_a_batch_gets_its_own_answer",
    ),
    Mutant(
        "a bad row gets the score of nothing",
        "scorer.rest.orders:divided",
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
        "rows.complete(self._entities)",
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
    Mutant(
        "the event loop waits for a store that does not answer",
        "scorer.rest.desk:Desk._pass_on",
        "self._handed.put(_Passed(jobs, begun))",
        "self._finish_here(jobs, begun)",
        DESK + "test_the_thread_waits_for_features_that_do_not_arrive",
    ),
    Mutant(
        "the event loop waits for the rest of a reply",
        "scorer.rest.desk:Desk._arrived",
        "complete is False",
        "False",
        DESK + "test_the_thread_waits_for_the_rest_of_a_reply",
    ),
    Mutant(
        "a large batch holds the event loop up",
        "scorer.rest.desk:Desk._small",
        "sum(job.bytes for job in jobs)",
        "0",
        DESK + "test_a_large_batch_and_those_after_a_slow_one_are_the_threads",
    ),
    Mutant(
        "the thread uses the connection of a batch that waits in the event loop",
        "scorer.rest.desk:Desk._look_after",
        "self._turn.acquire(blocking=False)",
        "True",
        DESK + "test_the_loop_is_free_until_the_features_arrive",
    ),
    Mutant(
        "who has no token gets in where only named clients may",
        "scorer.rest.clients:Clients.admit",
        "self._anyone is None or not self._anyone.allows(authorization)",
        "self._anyone is not None and not self._anyone.allows(authorization)",
        CLIENTS + "test_each_token_is_its_clients_alone",
    ),
    Mutant(
        "a client saves its rate up",
        "scorer.rest.clients:Rate.take",
        "min(self._most, self._left + (now - self._at) * self._a_second)",
        "self._left + (now - self._at) * self._a_second",
        CLIENTS + "test_no_more_than_the_rate_is_let_through",
    ),
    Mutant(
        "predictions of two requests have the same source",
        "scorer.rest.publishing:Numbers.placed",
        "self._next + rows",
        "self._next",
        PUBLISHING + "test_each_row_has_a_source_of_its_own",
    ),
    Mutant(
        "what has no room on its way to Kafka is lost in silence",
        "scorer.rest.publishing:Publisher.offer",
        'self._metrics.count("dropped", len(outcome.predictions.rows))',
        "pass",
        PUBLISHING + "test_nobody_waits_for_the_writer",
    ),
    Mutant(
        "a client that closes its half of the connection loses its answer",
        "scorer.rest.listening:_Protocol.eof_received",
        'whole and self.transport.get_extra_info("sslcontext") is None',
        "False",
        "tests/rest/test_connections.py::test_a_client_that_closes_its_half_gets_its_answers",
    ),
    Mutant(
        "an unknown field of an event is ignored",
        "scorer.avro.json.usual:_record.encode",
        "given != len(value)",
        "False",
        "tests/avro/test_jsonl_properties.py::test_usual_events_become_the_same_bytes_and_unusual_ones_none",
    ),
]
