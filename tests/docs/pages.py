"""The pages of the documentation."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    page
    for pattern in ("*.md", "docs/**/*.md", "models/*.md", "benchmarks/*.md")
    for page in ROOT.glob(pattern)
)  # fmt: skip
_BLOCK = re.compile(r"^(?:```.*?^```|~~~.*?^~~~)$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"^```\w*[^\n]*\n(.*?)^```$|(?<!`)`([^`\n]+)`(?!`)", re.MULTILINE | re.DOTALL)


def name(page: Path) -> str:
    """For the id of a test."""
    return str(page.relative_to(ROOT))


def prose(page: Path) -> str:
    """A page without its blocks of code."""
    return _BLOCK.sub("", page.read_text())


def code(page: Path) -> list[str]:
    """Return the code in a page: each line of a block, and each piece in a line."""
    return [line for block, piece in _CODE.findall(page.read_text()) for line in (block or piece).splitlines()]
