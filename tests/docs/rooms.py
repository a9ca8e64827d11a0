"""The picture of the rooms in docs/architecture.md, drawn from the imports.

`python -m tests.docs.rooms` draws it anew.
"""

from pathlib import Path

import grimp

PAGE = Path(__file__).parents[2] / "docs/architecture.md"
BEGIN, END = "```mermaid\n", "```\n"
UNDRAWN = {"__main__"}  # it starts the command line and nothing else
Edge = tuple[str, str]  # a room, and another that it imports


def picture() -> str:
    """Return the graph of rooms; an import that follows from others is left out."""
    edges = _edges()
    needed = [edge for edge in sorted(edges) if edge[1] not in _reached(edge[0], edges - {edge})]
    return BEGIN + "graph TD\n" + "".join(f"    {room} --> {other}\n" for room, other in needed) + END


def _edges() -> set[Edge]:
    graph = grimp.build_graph("scorer")
    imports = {
        (_room(module), _room(other))
        for module in graph.modules
        for other in graph.find_modules_directly_imported_by(module)
    }
    return {(room, other) for room, other in imports if room != other and not {room, other} & {"", *UNDRAWN}}


def _room(module: str) -> str:
    return module.partition(".")[2].partition(".")[0]


def _reached(start: str, edges: set[Edge]) -> set[str]:
    reached: set[str] = set()
    waiting = [start]
    while waiting:
        room = waiting.pop()
        further = {other for each, other in edges if each == room} - reached
        reached |= further
        waiting += further
    return reached


def drawn(page: str) -> str:
    """Return the page with the picture of today."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + picture() + after


if __name__ == "__main__":
    PAGE.write_text(drawn(PAGE.read_text()))
