"""Mutants of decoding and scoring, and of the schemas and features that they ask for."""

from tests.mutants.mutant import Mutant

FEAST = "tests/store/redis/test_feast.py::"
CACHE = "tests/store/test_cache.py"
EXPLAIN = "tests/model/test_explain.py::"
EXPLAINING = "tests/scoring/test_explaining.py::"
GUARANTEES = "tests/delivery/test_guarantees.py::"

MUTANTS = [
    Mutant(
        "a registry in trouble makes dead letters",
        "scorer.registry.http:_judged",
        "status == 404 and code in _UNKNOWN",
        "status >= 400",
        "tests/registry/test_registry.py::test_an_error_status_is_never_an_unknown_schema",
    ),
    Mutant(
        "a symbol that the reader does not have becomes its first",
        "scorer.avro.program.compiler:Compiler._symbols",
        "known.get(symbol, otherwise)",
        "known.get(symbol, max(otherwise, 0))",
        "tests/avro/test_evolution.py::test_an_incompatible_writers_schema_is_reported",
    ),
    Mutant(
        "a bad row takes its neighbour along",
        "scorer.scoring.scorer:scored_rows",
        "[each.row for each in rejected]",
        "[row for each in rejected for row in (each.row, min(each.row + 1, rows - 1))]",
        GUARANTEES + "test_a_bad_record_becomes_one_dead_letter_and_its_neighbours_are_scored",
    ),
    Mutant(
        "what nobody asked for is taken for the next answer",
        "scorer.store.redis.link:Link.ask",
        "self._refuse_unasked()",
        "pass",
        "tests/store/redis/test_hostile.py::test_bytes_after_a_reply_are_never_mistaken_for_another_reply",
    ),
    Mutant(
        "what comes before an answer is taken for it",
        "scorer.store.redis.link:Link._check_proof",
        "cells.text(0).encode() != self._proof",
        "not cells.text(0)",
        "tests/store/redis/test_hostile.py::test_bytes_between_a_request_and_its_reply_are_never_mistaken_for_it",
    ),
    Mutant(
        "an answer is used after its time",
        "scorer.store.cache:recall",
        "line == NO_LINE or heads[line, ASKED] <= since",
        "line == NO_LINE",
        CACHE,
    ),
    Mutant(
        "use lengthens the time of an answer",
        "scorer.store.cache:recall",
        "lookup[key] = STALE if stale else texts[at]",
        "lookup[key], heads[line, ASKED] = STALE if stale else texts[at], since + 4_000_000_000",
        CACHE,
    ),
    Mutant(
        "the time of an answer begins when it is there",
        "scorer.store.cache:Cache.fetch",
        "shelf.keep(each, rows, asked, answer, reply)",
        "shelf.keep(each, rows, self._monotonic(), answer, reply)",
        CACHE,
    ),
    Mutant(
        "what is kept never grows stale",
        "scorer.store.cache:recall",
        "texts[at] == HIT and now - numbers[line, 0] > max_age",
        "False",
        CACHE,
    ),
    Mutant(
        "that the store could not answer is kept",
        "scorer.store.cache:keep",
        "lookup[row] == UNAVAILABLE or end - start > KEY_ROOM",
        "end - start > KEY_ROOM",
        CACHE,
    ),
    Mutant(
        "a key gets the answer of another with the same hash",
        "scorer.store.cache:_line",
        "heads[line, TAG] == tag and same(data, start, texts, (line + 1) * size - KEY_ROOM, end - start)",
        "heads[line, TAG] == tag",
        CACHE,
    ),
    Mutant(
        "a view of Feast that is too old is used beside a fresh one",
        "scorer.store.redis.layouts.feast:judge",
        "min(oldest, parsed.numbers[first + features + fields.views[feature]])",
        "parsed.numbers[first + features + fields.views[feature]]",
        FEAST + "test_freshness_must_be_proven_for_each_view",
    ),
    Mutant(
        "a negative int32 of Feast becomes a large number",
        "scorer.store.redis.layouts.feast_values:number",
        "TO_NEGATIVE if value >= SIGN_OF_HALF else 0.0",
        "0.0",
        FEAST + "test_a_number_is_decoded",
    ),
    Mutant(
        "a number beyond 32 bits is the key of another entity",
        "scorer.scoring.keyring:_Number.known",
        "(values >= limits.min) & (values <= limits.max)",
        "values == values",
        "tests/plan/test_feast.py::test_int32_and_int64_make_different_keys_and_an_overflow_makes_none",
    ),
    Mutant(
        "join keys stand in the order of the plan",
        "scorer.plan.feast:FeastKey.of",
        "tuple(sorted(join_keys, key=lambda each: each.name))",
        "tuple(join_keys)",
        "tests/plan/test_feast.py::test_keys_equal_keys_written_by_feast",
    ),
    Mutant(
        "a leaf's contribution ignores the weight of a column's second split",
        "scorer.model.explain.tables:_trace",
        "bench.share[at] *= shape.cover[node] / shape.cover[parent]",
        "bench.share[at] = shape.cover[node] / shape.cover[parent]",
        EXPLAIN + "test_contributions_are_those_of_xgboost_and_add_up_to_the_margin[lossguide]",
    ),
    Mutant(
        "every category goes right in explanations",
        "scorer.model.explain.contributions:_answer",
        "word >> np.uint32(code & np.int32(31))",
        "np.uint32(1)",
        EXPLAIN + "test_contributions_are_those_of_xgboost_and_add_up_to_the_margin[categorical]",
    ),
    Mutant(
        "tables take any amount of memory",
        "scorer.model.explain.building:_list",
        "size > most_bytes",
        "False",
        EXPLAIN + "test_what_the_tables_cannot_do_xgboost_does_and_it_says_so[memory]",
    ),
    Mutant(
        "tables that disagree with XGBoost are used",
        "scorer.model.xgboost.explainer:XGExplainer._compare",
        "not off <= TOLERANCE",
        "False",
        EXPLAIN + "test_what_the_tables_cannot_do_xgboost_does_and_it_says_so[disagrees]",
    ),
    Mutant(
        "explanations are those of the first class",
        "scorer.model.interface:Explainer.explained",
        "not self.of_classes",
        "True",
        EXPLAIN + "test_the_output_that_explains_a_prediction_is_the_most_likely_class",
    ),
    Mutant(
        "explanations are loaded by replicas that have them off",
        "scorer.scoring.scorer:",
        "from scorer.scoring.features import Features, Keyed",
        "from scorer.scoring.features import Features, Keyed; import scorer.model.explain.tables",
        EXPLAIN + "test_a_replica_that_explains_nothing_loads_no_kernel_for_it",
    ),
    Mutant(
        "a sample depends on where the events stand",
        "scorer.scoring.explaining:draw",
        "_SEED",
        "rows[at]",
        EXPLAINING + "test_a_sample_is_of_its_size_and_the_same_wherever_the_events_stand",
    ),
    Mutant(
        "a batch whose rows do not ask is explained",
        "scorer.scoring.explaining:Explaining.explain",
        "rows[self._asks(events, scores.values[rows], rows)]",
        "rows",
        EXPLAINING + "test_a_batch_that_does_not_ask_computes_nothing",
    ),
    Mutant(
        "what was missing is explained as a number",
        "scorer.avro.encode.explanations:_encode_lines",
        "np.isnan(lines.values[line, each])",
        "False",
        "tests/avro/test_encoder.py::test_predictions_equal_those_written_by_fastavro",
    ),
]
