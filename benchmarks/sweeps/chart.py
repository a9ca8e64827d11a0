"""Tables and charts in Markdown, the latter as Mermaid draws them."""

from collections.abc import Mapping, Sequence

COLOURS = {"blue": "#1f77b4", "orange": "#ff7f0e", "green": "#2ca02c"}  # of the lines, in order


def table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table; all but its first column are aligned to the right."""
    widths = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
    lines = [titles, ["-" * width for width in widths], *rows]
    return "".join(f"| {' | '.join(_cells(line, widths))} |\n" for line in lines)


def _cells(line: Sequence[str], widths: Sequence[int]) -> list[str]:
    ends = ["-" * (width - 1) + ":" if cell == "-" * width else cell for cell, width in zip(line, widths, strict=True)]
    return [line[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(ends[1:], widths[1:], strict=True))]


def chart(title: str, x: tuple[str, Sequence[int]], y: str, lines: Mapping[str, Sequence[float]]) -> str:
    """Return a chart.

    Args:
        title: of it; the names of the lines with their colours are added.
        x: what is below, and where each point is.
        y: what is at the side, from 0.
        lines: by name, as many values as points; at most three lines.
    """
    top = max(max(values) for values in lines.values())
    palette = ", ".join(COLOURS.values())
    names = ", ".join(f"{colour}: {name}" for name, colour in zip(lines, COLOURS, strict=False))
    points = ", ".join(f'"{point:,}"' for point in x[1])
    return "\n".join(
        [
            "```mermaid",
            f'%%{{init: {{"themeVariables": {{"xyChart": {{"plotColorPalette": "{palette}"}}}}}}}}%%',
            "xychart-beta",
            f'    title "{title} ({names})"',
            f'    x-axis "{x[0]}" [{points}]',
            f'    y-axis "{y}" 0 --> {1.1 * top:.3g}',
            *(f"    line [{', '.join(f'{value:.4g}' for value in values)}]" for values in lines.values()),
            "```\n",
        ]
    )
