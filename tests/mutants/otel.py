"""Mutants of traces and stages: of what is drawn, dropped and measured, and what predictions carry."""

from tests.mutants.mutant import Mutant

EXPORT = "tests/otel/test_export.py::"
POINTS = "tests/otel/test_points.py::"
TRACING = "tests/otel/test_tracing.py::"

MUTANTS = [
    Mutant(
        "the CPU time of a batch whose stages are not measured is lost",
        "scorer.monitor.stages:Stages._add_cpu",
        "self._undivided += seconds",
        "self._undivided = seconds",
        "tests/monitor/test_stages.py",
    ),
    Mutant(
        "a scrape lacks the batches since the last count",
        "scorer.monitor.stages:Stages.collect",
        "self._count()",
        "None",
        "tests/monitor/test_stages.py",
    ),
    Mutant(
        "a request is traced although its caller records nothing",
        "scorer.otel.answered:Requests.answered",
        "parent[-1] in SAMPLED",
        "True",
        "tests/otel/test_answered.py",
    ),
    Mutant(
        "a prediction loses the trace of its event",
        "scorer.otel.tracing:Tracing.carry",
        "any(name == TRACEPARENT for name, _ in each)",
        "False",
        TRACING + "test_predictions_of_a_traced_batch_carry_their_events_trace_or_begin_one",
    ),
    Mutant(
        "headers are read for batches that are not traced",
        "scorer.otel.tracing:Tracing.carry",
        "self._rule.everything",
        "True",
        TRACING + "test_what_is_not_drawn_is_neither_recorded_nor_sent_and_carries_nothing",
    ),
    Mutant(
        "a batch that was never written is exported",
        "scorer.otel.tracing:Tracing.written",
        "pending[0] is outcome",
        "True",
        TRACING + "test_a_batch_of_another_outcome_is_not_taken_for_written",
    ),
    Mutant(
        "a batch that is scored again keeps its first outcome",
        "scorer.otel.tracing:Tracing.scored",
        "self._outcome, self._current = outcome, None",
        "self._outcome = self._outcome or outcome",
        TRACING + "test_a_batch_that_is_scored_again_is_sent_with_its_last_outcome_alone",
    ),
    Mutant(
        "spans for which there is no room are not counted",
        "scorer.otel.sending:SpanPost.send",
        "self._count('dropped', noted.spans)",
        "pass",
        EXPORT + "test_spans_for_which_there_is_no_room_are_dropped_at_once_and_counted",
    ),
    Mutant(
        "the loop waits for a receiver that is away",
        "scorer.otel.sending:SpanPost.send",
        "self._waiting.put_nowait(noted)",
        "self._waiting.put(noted)",
        EXPORT + "test_spans_for_which_there_is_no_room_are_dropped_at_once_and_counted",
    ),
    Mutant(
        "spans that a redirect lost are counted as exported",
        "scorer.otel.exporters:_refuse_redirect",
        "response.is_redirect",
        "False",
        EXPORT + "test_a_redirect_is_not_followed",
    ),
    Mutant(
        "the span has other ids than the predictions say",
        "scorer.otel.spans:SpanExport._make",
        "self._ids.next = traced.trace_id, traced.span_id",
        "pass",
        EXPORT + "test_the_span_has_the_ids_that_predictions_were_written_with",
    ),
    Mutant(
        "buckets are exported as /metrics has them, cumulated",
        "scorer.otel.points:_histograms",
        "after - before",
        "after",
        POINTS + "test_every_sample_of_the_metrics_page_is_exported_with_its_value",
    ),
]
