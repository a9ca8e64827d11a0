"""Reads the events of a file in any input format, and scores them batch by batch."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from scorer.avro import BadEvent, read_events
from scorer.batch import Outcome
from scorer.files.parts import Part
from scorer.serving.ensemble import Candidate
from scorer.serving.offline import Offline
from scorer.store import Fetch

TABLES = (".parquet", ".csv")  # endings of files of tables


class FileReader:
    """Scores the events of files with the parts of a replica.

    Args:
        serving: the version or the ensemble, and the schema.
        fetch: looks features up; None if the plan has no entities.
        bad: takes the error of a line of JSON or CSV that is not an event, and the line is skipped; if None, the error
            is raised.

    Attributes:
        absent: the fields that take their default, or null, in every row of the last file, since no column has them.
    """

    def __init__(self, serving: Candidate, fetch: Fetch | None, bad: Callable[[BadEvent], None] | None = None) -> None:
        self._serving, self._bad = serving, bad
        self._offline = Offline(serving, fetch)
        self.absent: tuple[str, ...] = ()
        self._share: Callable[[], float] = float

    @property
    def share(self) -> float:
        """How much of the last file was read, from 0 to 1."""
        return self._share()

    def outcomes(self, file: Path, part: Part | None = None) -> Iterator[Outcome]:
        """Score the events of a file, or of a part of it.

        Raises:
            Misconfigured: the file cannot be read, or does not fit the schema.
            Unavailable: the feature store does not answer, and the policy is to wait.
        """
        self.absent = ()
        if file.suffix in TABLES:
            return self._of_table(file, part)
        size = max(file.stat().st_size, 1) if file.exists() else 1

        def opened(source: BinaryIO) -> None:
            self._share = lambda: 1.0 if source.closed else source.tell() / size

        most = self._serving.settings.events.max_bytes
        return self._offline.outcomes(read_events(file, self._serving.schema, most, self._bad, opened))

    def _of_table(self, file: Path, part: Part | None) -> Iterator[Outcome]:
        from scorer.tables import TableFile, TableScorer  # noqa: PLC0415  imports pyarrow, which only tables need

        needed = {field.path: field.kind for field in self._serving.wanted().fields}
        table = TableFile(file, needed, self._bad, range(*part.groups) if part else None)
        scorer = TableScorer(self._serving, self._offline.scorer, table.schema, str(file))
        self.absent, self._share = scorer.absent, lambda: table.share
        return scorer.outcomes(table.batches(), part.first if part else 0)
