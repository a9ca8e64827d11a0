"""The building blocks of a dialect: routes, the rows that a request asks for, and their predictions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from scorer.made_often import made_often
from scorer.rest.messages import Refused, Request, Response
from scorer.rest.rows import Fault


@made_often
@dataclass(frozen=True, slots=True)
class Asked:
    """The rows that a request asks scores for.

    rows:    each an event or the values of the model's columns; see `RowReader.read`.
    version: the version that must score them; None if the roll-out state decides.
    write:   returns the response for their predictions.
    """

    rows: Sequence[Any]
    write: "Write"
    version: str | None = None


@made_often
@dataclass(frozen=True, slots=True)
class Scored:
    """The predictions of a request.

    model:    the model's name.
    versions: the version that was asked for, or else the champion.
    rows:     with the fields of a prediction, or at least `score`, `model`, `version` and `arm` where the row was the
              values of columns; null where a row cannot be scored.
    faults:   why the other rows cannot be scored.
    """

    model: str
    version: str
    rows: Sequence[Mapping[str, Any]]
    faults: Mapping[int, Fault]

    @property
    def scores(self) -> list[Any]:
        """The score of each row: a number, or a list of them.

        Raises:
            Refused: some rows cannot be scored, and the dialect has no place to say which.
        """
        if self.faults:
            raise self.refused
        return [row["score"] for row in self.rows]

    @property
    def refused(self) -> Refused:
        """The refusal of the whole request, which names every row that cannot be scored."""
        first = min(self.faults)
        detail = f"{len(self.faults):,} of {len(self.rows):,} rows cannot be scored; row {first}: "
        errors = [fault.document(row) for row, fault in sorted(self.faults.items())]
        return Refused(HTTPStatus.UNPROCESSABLE_ENTITY, detail + self.faults[first].detail, errors=errors)


Write = Callable[[Scored], Response]
Read = Callable[[Request], Asked]
Page = Callable[[Request], Response]  # answers at once, without scoring


@dataclass(frozen=True, slots=True)
class Route:
    """A route: how requests of a method and a path are answered.

    method:  GET or POST; HEAD is answered as GET.
    path:    with `{model}`, `{version}` or `{label}` for a part that has no / and no colon.
    dialect: for the metrics.
    read:    reads rows to be scored; None if `page` answers.
    page:    answers without scoring.
    open:    whether a client needs no token.
    purpose: what it is for, in the OpenAPI document.
    """

    method: str
    path: str
    dialect: str
    purpose: str
    read: Read | None = None
    page: Page | None = None
    open: bool = False
