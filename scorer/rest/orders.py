"""The rows of requests in a batch: groups those that are scored together, and gives each request its predictions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import NamedTuple

import numpy as np
import structlog

from scorer.batch import Records, Rejected
from scorer.errors import Unavailable
from scorer.made_often import made_often
from scorer.rest.exchange import Asked, Scored
from scorer.rest.messages import Refused, Response
from scorer.rest.rows import Fault, Inline, Rows
from scorer.scoring import BaseScorer, Prepared
from scorer.security.redaction import redact

RETRY = (("Retry-After", "1"),)

log = structlog.get_logger()


@made_often
@dataclass(frozen=True, slots=True)
class Order:
    """The rows of a request that are ready to be scored."""

    at: int  # the number of the request in its batch
    asked: Asked
    rows: Rows


class Kind(NamedTuple):
    """What the orders of a group have in common; such orders are scored in one call."""

    version: str | None
    values: bool
    complete: bool  # needs no look-up, so it is scored even while the store is down


@made_often
@dataclass(frozen=True, slots=True, eq=False)
class Ready:
    """Decoded events, before their features are looked up.

    records:  the events.
    scorer:   scores them.
    prepared: the events with the keys of all rows.
    asking:   the same without the keys of rows that brought their features.
    given:    the features that came with rows, by row number.
    now:      the time, in Unix seconds.
    """

    records: Records
    scorer: BaseScorer
    prepared: Prepared
    asking: Prepared
    given: Mapping[int, Inline]
    now: float

    @property
    def asks(self) -> bool:
        """Whether anything is looked up."""
        return any(len(request.keys) for request in self.asking.requests)


@made_often
@dataclass(frozen=True, slots=True)
class Group:
    """Orders of the same kind.

    kind:   what they have in common.
    orders: the orders.
    ready:  their events; None if the rows are values of columns.
    """

    kind: Kind
    orders: Sequence[Order]
    ready: Ready | None

    @property
    def asks(self) -> bool:
        """Whether features are looked up for it."""
        return self.ready is not None and self.ready.asks

    def failed(self, error: Exception) -> dict[int, Response]:
        """Return the response to an error for each request, by its number."""
        return dict.fromkeys([order.at for order in self.orders], failure(error))

    def written(self, scored: Sequence[Scored]) -> dict[int, Response]:
        """Return the response of each request, by its number.

        Args:
            scored: the predictions of each request, in order.
        """
        return {order.at: _written(order, each) for order, each in zip(self.orders, scored, strict=True)}


def records_of(parts: Sequence[Rows]) -> Records:
    """Return the events of several requests; one without an id is numbered within its request."""
    records = Records.of([body for rows in parts for body in rows.bodies])
    if len(parts) == 1:
        return records
    return replace(records, offset=np.concatenate([np.arange(len(rows)) for rows in parts]))


def divided(
    named: tuple[str, str], orders: Sequence[Order], documents: list[dict[str, object]], rejected: Sequence[Rejected]
) -> list[Scored]:
    """Divide the predictions of a group among its requests.

    Args:
        named: the name of the model, and of the requested version or the champion.
        orders: the requests.
        documents: the predictions of all their rows.
        rejected: the rows that were not scored.
    """
    faults, first, parts = {each.row: Fault(each.reason, each.detail) for each in rejected}, 0, list[Scored]()
    for order in orders:
        end = first + len(order.rows)
        faults |= {first + row: fault for row, fault in order.rows.bad.items()}
        mine = {row - first: faults[row] for row in range(first, end) if row in faults} if faults else {}
        rows = documents[first:end]
        for row, fault in mine.items():
            rows[row] |= {"score": None, "reason": fault.reason.value, "detail": fault.detail}
        parts.append(Scored(*named, rows, mine))
        first = end
    return parts


def failure(error: Exception) -> Response:
    """Return the response to a request that cannot be scored."""
    match error:
        case Refused():
            return error.response
        case Unavailable():
            what = redact(error.shown or str(error))
            return Refused(
                HTTPStatus.SERVICE_UNAVAILABLE, f"features cannot be read now: {what}", headers=RETRY
            ).response
        case _:
            log.error("request failed", error=f"{type(error).__name__}: {redact(str(error))}")
            return Refused(
                HTTPStatus.INTERNAL_SERVER_ERROR, "the request cannot be answered; the log says why"
            ).response


def _written(order: Order, scored: Scored) -> Response:
    try:
        return order.asked.write(scored)
    except Exception as error:  # noqa: BLE001  no request may end the thread
        return failure(error)
