"""Rows as aligned text, for people."""

from collections.abc import Iterable, Sequence

from scorer.security.printable import printable


def aligned(header: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Return a line for the header and one for each row: numbers right-aligned, the last column not padded."""
    table = [list(map(str, header)), *([_text(cell) for cell in row] for row in rows)]
    numbers = [all(_is_number(row[column]) for row in table[1:]) for column in range(len(header))]
    widths = [max(len(row[column]) for row in table) for column in range(len(header))]
    return [
        "  ".join(
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(row, widths, numbers, strict=True)
        ).rstrip()
        for row in table
    ]


def _text(cell: object) -> str:
    return f"{cell:,}" if isinstance(cell, int) else "-" if cell is None else printable(str(cell))


def _is_number(text: str) -> bool:
    return text == "-" or text.replace(",", "").lstrip("-").isdigit()


def in_line(value: object) -> str:
    """Return a value in one line; the parts of a group with their names."""
    if not isinstance(value, dict):
        return "off" if value is None else str(value)
    return ", ".join(f"{name.replace('_', ' ')} {in_line(part)}" for name, part in value.items())
