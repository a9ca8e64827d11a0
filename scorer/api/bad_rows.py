"""The error of rows that cannot be scored."""

from collections.abc import Mapping

from scorer.batch import Rejected
from scorer.errors import ScorerError

_MOST_REASONS, _MOST_ROWS = 10, 3  # the most that the error's text names


class BadRows(ScorerError, ValueError):
    """Rows that cannot be scored. Its text names each reason once, with the first rows that it concerns.

    Attributes:
        rows: why each bad row cannot be scored, by its position, counted from 0.
    """

    def __init__(self, rows: Mapping[int, Rejected], of: int) -> None:
        self.rows = {row: rows[row].detail for row in sorted(rows)}
        reasons: dict[str, list[int]] = {}
        for row, detail in self.rows.items():
            reasons.setdefault(detail, []).append(row)
        lines = [f"{_named(of_reason)}: {reason}" for reason, of_reason in list(reasons.items())[:_MOST_REASONS]]
        if len(reasons) > _MOST_REASONS:
            lines.append(f"and {len(reasons) - _MOST_REASONS:,} other reasons")
        advice = 'errors="null" scores the others, and returns a null score with a reason for these'
        super().__init__(f"{len(rows):,} of {of:,} rows cannot be scored; {advice}\n" + "\n".join(lines))


def _named(rows: list[int]) -> str:
    if len(rows) == 1:
        return f"row {rows[0]}"
    more = f" and {len(rows) - _MOST_ROWS:,} more" if len(rows) > _MOST_ROWS else ""
    return f"rows {', '.join(map(str, rows[:_MOST_ROWS]))}{more}"
