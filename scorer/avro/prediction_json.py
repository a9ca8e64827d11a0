"""Predictions as plain JSON, one document a row."""

from collections.abc import Iterator

from scorer.avro.grammar import Scalar
from scorer.avro.plain import to_json
from scorer.batch import NO_TIME, Outcome

NUMBER, TIMESTAMP = Scalar("double"), Scalar("long", "timestamp-millis")


def prediction_json(outcome: Outcome) -> Iterator[dict[str, object]]:
    """Yield a document for each row of a batch, with the fields of `prediction.avsc`.

    A rejected row has the score null, a `reason` and a `detail`. `source_*` is null in a row that no topic holds.
    """
    each, origin = outcome.predictions, outcome.predictions.origin
    rejected = {rejection.row: rejection for rejection in outcome.rejected}
    text, scored_at = each.data.tobytes(), to_json(TIMESTAMP, each.scored_at)
    scores, times, topics = each.scores.tolist(), each.event_time.tolist(), origin.topic.tolist()
    for row, (start, end) in enumerate(zip(each.id_starts.tolist(), each.id_ends.tolist(), strict=True)):
        known = topics[row] >= 0
        document: dict[str, object] = {
            "event_id": text[start:end].decode(errors="replace"),
            "score": None if row in rejected else _plain(scores[row]),
            "model": each.model,
            "version": each.version,
            "arm": each.arm,
            "missing": [name for name, gone in zip(each.entities, each.missing[row].tolist(), strict=True) if gone],
            "degraded": each.degraded,
            "source_topic": origin.topics[topics[row]] if known else None,
            "source_partition": int(origin.partition[row]) if known else None,
            "source_offset": int(origin.offset[row]) if known else None,
            "event_time": None if times[row] == NO_TIME else to_json(TIMESTAMP, times[row]),
            "scored_at": scored_at,
        }
        if row in rejected:
            document |= {"reason": rejected[row].reason.value, "detail": rejected[row].detail}
        yield document


def _plain(score: float | list[float]) -> object:
    return [to_json(NUMBER, each) for each in score] if isinstance(score, list) else to_json(NUMBER, score)
