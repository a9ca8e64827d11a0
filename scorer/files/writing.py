"""Writes predictions in any output format, and dead letters for the rows that could not be scored."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import PurePath
from typing import TextIO

from scorer.avro import BadEvent, PredictionFile, prediction_json
from scorer.batch import Outcome, Reason
from scorer.security.printable import printable_json

FORMATS = ("parquet", "csv", "jsonl", "avro")


def format_of(name: str | None) -> str:
    """Return the format for the ending of a file's name: JSON lines unless the ending is in FORMATS."""
    ending = PurePath(name or "").suffix.removeprefix(".")
    return ending if ending in FORMATS else "jsonl"


@contextmanager
def writing(form: str, out: TextIO, outputs: int, *, rejected: bool = True) -> Iterator[Callable[[Outcome], None]]:
    """Yield a function that writes outcomes to an open file; the file is complete at the end of the block.

    Args:
        form: one of FORMATS.
        out: the file.
        outputs: the number of outputs of the model, so of numbers in a score.
        rejected: whether to write rows that could not be scored, too, with a reason instead of a score.
    """
    if form == "jsonl":
        yield lambda outcome: out.writelines(
            printable_json(prediction) + "\n"
            for prediction in prediction_json(outcome)
            if rejected or "reason" not in prediction
        )
    elif form == "avro":
        file = PredictionFile(out.buffer, outputs)
        yield lambda outcome: file.write(outcome, rejected=rejected)
        file.close()
    else:
        from scorer.tables import as_batch, predictions_schema, table_writer  # noqa: PLC0415  imports pyarrow

        schema = predictions_schema(outputs)
        writer = table_writer(f".{form}", out.buffer, schema)
        try:
            yield lambda outcome: writer.write_batch(as_batch(outcome, schema, rejected=rejected))
        finally:
            writer.close()


class DeadLetterFile:
    """Writes the rows of a file that could not be scored, one JSON object a line.

    Args:
        out: the file to write.
        source: the name of the file of events, as dead letters show it.
        first: the number of its first row.
    """

    def __init__(self, out: TextIO, source: str, first: int = 0) -> None:
        self._out, self._source, self._first = out, source, first
        self.lines = 0  # that are not events

    def add(self, outcome: Outcome) -> None:
        """Write the rejected rows of the next batch of the file."""
        each = outcome.predictions
        for rejected in sorted(outcome.rejected, key=lambda one: one.row):
            name = each.data[each.id_starts[rejected.row] : each.id_ends[rejected.row]].tobytes()
            row = self._first + rejected.row
            self._write(row, name.decode(errors="replace"), rejected.reason, rejected.detail)
        self._first += len(each.event_time)

    def add_line(self, error: BadEvent) -> None:
        """Write a JSON line that is not an event of the schema."""
        self.lines += 1
        self._write(None, None, Reason.BAD_VALUE, str(error))

    def _write(self, row: int | None, event: str | None, reason: Reason, detail: str) -> None:
        document = {"file": self._source, "row": row, "event_id": event, "reason": reason.value, "detail": detail}
        self._out.write(printable_json(document) + "\n")
