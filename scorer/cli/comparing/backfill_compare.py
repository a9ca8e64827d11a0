"""How the scores of a backfill differ from those that were published for the same events."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from typing import Any

import numpy as np
from rich.text import Text

from scorer.cli.comparing.diff_stream import MARGIN_MS, Place, Predictions, numbers_of, place_of
from scorer.cli.comparing.diff_view import score_lines, score_pictures
from scorer.cli.comparing.shift import Pairs
from scorer.cli.shown.answers import Answer
from scorer.cli.shown.picture import Picture
from scorer.cli.shown.table import aligned
from scorer.cli.shown.views import VIEWS, Unreadable
from scorer.errors import Misconfigured, Problem
from scorer.kafka import Reader, Span
from scorer.replica.backfill import Done
from scorer.serving.formats import open_formats
from scorer.settings import Settings

MOST = 1_000_000  # predictions that are held in memory
SHOWN = 20  # segments
CHUNK = 10_000  # pairs that are put into one array
Segment = tuple[str, ...]  # the version and the arm that published a score, and the values of fields of the event
Row = tuple[bytes, list[float], list[float]]  # the id of an event, what was published, and its score now


def require_fields(settings: Settings, fields: Sequence[str]) -> None:
    """Make sure that events have the fields of --by.

    Raises:
        Misconfigured: with every field that the schema does not have.
    """
    schema = open_formats(settings).schema if fields else None
    problems = [Problem("--by", schema.why_not(name)) for name in fields if schema and name not in schema.fields]
    if problems:
        raise Misconfigured(problems)


def compare(  # noqa: PLR0913, PLR0917  the two sides, and what is shown of them
    settings: Settings, topic: str, since: int, done: Done, fields: Sequence[str], stack: ExitStack
) -> Answer:
    """Compare the predictions of a complete backfill with those of the live group.

    Args:
        settings: those of the live group.
        topic: that of the backfill.
        since: the start of the range, in milliseconds since the epoch.
        done: the backfill.
        fields: fields of the event; the differences are also shown by their values.
        stack: closes what is opened here.

    Raises:
        Unavailable: the brokers do not answer.
        Fatal: a topic is missing.
    """
    predictions, ours = Predictions(settings, stack), dict[Place, list[float]]()
    for _, found in predictions.read(topic, "beginning"):
        place = place_of(found)
        if found["version"] == done.version and _is_inside(done.span, place) and len(ours) < MOST:
            ours[place] = numbers_of(found["score"])
    values = _values(settings, done.span, since, fields) if fields else {}
    unknown = ("",) * len(fields)
    events, seen, rows = len(ours), set[Place](), list[tuple[Segment, Row]]()
    for _, found in predictions.read(settings.kafka.output_topic, max(0, since - MARGIN_MS)):
        place = place_of(found)
        if _is_inside(done.span, place) and place not in seen:  # with at-least-once delivery, it may be there again
            seen.add(place)
            if (after := ours.get(place)) is not None:
                segment = found["version"], found["arm"], *values.get(place, unknown)
                rows.append((segment, (found["event_id"].encode(), numbers_of(found["score"]), after)))
    return {
        "input": f"{settings.kafka.output_topic} and {topic}",
        "events": len(seen | ours.keys()),
        "only_published": len(seen - ours.keys()),
        "only_backfilled": events - len(rows),
        **_document([row for _, row in rows]),
        "segments": _segments(rows, fields),
    }


def _is_inside(span: Span, place: Place) -> bool:
    """Whether an event is in the range."""
    topic, partition, offset = place
    start = span.starts.get((topic, partition))
    return start is not None and start <= offset < span.ends[topic, partition]


def _values(settings: Settings, span: Span, since: int, fields: Sequence[str]) -> dict[Place, tuple[str, ...]]:
    """Return the values of some fields of the events in the range."""
    view, found = VIEWS["events"](settings), dict[Place, tuple[str, ...]]()
    with closing(Reader(settings.kafka, view.topics)) as reader:
        for record in reader.read(since, follow=False):
            place = record.topic, record.partition, record.offset
            if _is_inside(span, place) and len(found) < MOST:
                event = view.document(record)
                if not isinstance(event, Unreadable):
                    found[place] = tuple(_at(event, path) for path in fields)
    return found


def _at(event: Answer, path: str) -> str:
    value: Any = event
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return "" if value is None else str(value)


def _pairs(rows: Sequence[Row]) -> Pairs:
    """Collect pairs of scores, and leave out those that differ in their number of outputs."""
    pairs, outputs = Pairs(), len(rows[0][2]) if rows else 0
    same = [row for row in rows if len(row[1]) == len(row[2]) == outputs]
    for start in range(0, len(same), CHUNK):
        ids, before, after = zip(*same[start : start + CHUNK], strict=True)
        pairs.add(ids, np.array(before, np.float32), np.array(after, np.float32))
    return pairs


def _document(rows: Sequence[Row]) -> Answer:
    pairs = _pairs(rows)
    return {
        "compared": pairs.events,
        "outputs": [shift.document() for shift in pairs.shifts()],
        "largest": [each.document() for each in pairs.farthest],
    }


def _segments(rows: Sequence[tuple[Segment, Row]], fields: Sequence[str]) -> list[Answer]:
    """Return how the scores of each segment differ, the largest first."""
    by_segment: dict[Segment, list[Row]] = defaultdict(list)
    for segment, row in rows:
        by_segment[segment].append(row)
    found = []
    for segment, some in sorted(by_segment.items(), key=lambda each: -len(each[1])):
        pairs = _pairs(some)
        shifts = pairs.shifts()
        found.append({
            **dict(zip(("version", "arm", *fields), segment, strict=True)),
            "events": pairs.events,
            "equal": min((shift.equal for shift in shifts), default=0),
            "mean_absolute_difference": max((shift.mean_difference for shift in shifts), default=0.0),
            "largest_difference": max((each.difference for each in pairs.farthest), default=0.0),
        })  # fmt: skip
    return found


def lines(answer: Answer, done: Done, encoding: str) -> Iterator[Text]:
    """Yield the lines of the comparison, as text."""
    scores, block = answer["scores"], "█" if encoding.lower().startswith("utf") else "#"
    yield from score_lines(answer, _names(done), block)
    for name, words in (("only_published", "published only"), ("only_backfilled", "scored again only")):
        if scores[name]:
            yield Text(f"  {scores[name]:,} of {scores['events']:,} events were {words}")
    if scores["segments"]:
        header = [name.replace("_", " ") for name in scores["segments"][0]]
        cells = [[_cell(value) for value in each.values()] for each in scores["segments"][:SHOWN]]
        head, *rows = aligned(header, cells)
        yield from (Text(), Text("by what was published", "bold"), Text(f"  {head}", "dim"))
        yield from (Text(f"  {row}") for row in rows)
        if (more := len(scores["segments"]) - SHOWN) > 0:
            yield Text(f"  and {more:,} more segments, which --json has", "dim")


def pictures(answer: Answer, done: Done) -> list[Picture]:
    """Return the distribution of each output's scores."""
    return score_pictures(answer, _names(done))


def _names(done: Done) -> tuple[str, str]:
    return "published", f"version {done.version} now"


def _cell(value: object) -> object:
    return f"{value:.4g}" if isinstance(value, float) else value
