"""What the commands of two tutorials print, and the pictures of it.

`python -m tests.docs.ship` runs those of docs/ship-a-version.md, and writes their output into the page and to
docs/images; `python -m tests.docs.ship still-right` does the same for docs/still-right.md.
"""

import io
import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.text import Text

from scorer.demo.picture import FONT
from tests.docs.pages import BLOCK, ROOT, run

PAGE = ROOT / "docs/ship-a-version.md"
RIGHT = ROOT / "docs/still-right.md"
SECONDS = 400
_IMAGE = r"^!\[[^\]]*\]\((images/ship-\w+\.svg)\)$"
PART = re.compile(f"{BLOCK.pattern}|{_IMAGE}", re.MULTILINE | re.DOTALL)
MARK = "-- next block --"
ENVIRONMENT = {
    "FORCE_COLOR": "1",
    "NO_COLOR": "",
    "TERM": "xterm-256color",
    "PYTHONIOENCODING": "utf-8",
    "SCORER_FEATURES__TIMEOUT_MS": "30000",  # the machine may be busy
}


@dataclass(frozen=True)
class Shown:
    """A place of the page that shows what the commands above it print.

    span: where the text between the fences, or the name of the picture, is in the page.
    text: the text on the page; of a picture, what it shows.
    file: the picture; None for text.
    said: what the commands print now, as a terminal receives it.
    command: the commands.
    """

    span: tuple[int, int]
    text: str
    file: Path | None
    said: str
    command: str

    def drawn(self) -> str:
        """Return a picture of what was printed now."""
        shown = Text.from_ansi(f"\x1b[2m$ {self.command}\x1b[0m\n{self.said.rstrip()}")
        canvas = Console(record=True, file=io.StringIO(), width=max(map(len, shown.plain.splitlines())))
        canvas.print(shown)
        return FONT.sub("", canvas.export_svg(title="scorer"))


def play(page: str, folder: Path) -> list[Shown]:
    """Write the files of a page to a folder, run its commands, and return each place that shows their output."""
    parts, commands = list(PART.finditer(page)), list[str]()
    for part in parts:
        language, file, block, _ = part.groups()
        if file:
            (folder / file).parent.mkdir(exist_ok=True)
            (folder / file).write_text(block)
        elif language == "sh":
            commands.append(block)
    marked = [f"{block}echo '{MARK}'" for block in commands]
    done = run([f"export {name}='{value}'" for name, value in ENVIRONMENT.items()] + marked, folder, SECONDS, jobs=True)
    said = [each.replace(str(folder), "/home/me/ship") for each in done.stdout.split(f"{MARK}\n")]
    shown, at = list[Shown](), -1
    for part in parts:
        language, file, block, picture = part.groups()
        at += language == "sh" and not file
        if picture:
            target = ROOT / "docs" / picture
            text = target.read_text() if target.exists() else ""
            shown.append(Shown(part.span(4), text, target, said[at], commands[at].strip()))
        elif language == "text":
            plain = re.sub(r"\x1b\[[\d;]*m", "", said[at])
            shown.append(Shown(part.span(3), block, None, plain, commands[at].strip()))
    return shown


def masked(text: str) -> list[str]:
    """Return what a text says without its numbers, dates, names of people and lengths of bars."""
    words = "\n".join(re.findall(r">([^<>]+)</text>", text)).replace("&#160;", " ") if "<svg" in text else text
    for what, instead in ((r"[\w.-]+@[\w.-]+", "WHO"), (r"-?\d[\d.,:T+e-]*%?", "0"), (r"[▁-█· -]+", " ")):
        words = re.sub(what, instead, words)
    return [line.strip() for line in words.splitlines() if line.strip()]


def main(file: Path) -> None:
    """Write a page's output and pictures anew."""
    page = file.read_text()
    with tempfile.TemporaryDirectory() as folder:
        for shown in reversed(play(page, Path(folder))):
            if shown.file:
                shown.file.write_text(shown.drawn())
            else:
                said = re.sub(r" +$", "", shown.said, flags=re.MULTILINE)
                page = page[: shown.span[0]] + said + page[shown.span[1] :]
    file.write_text(page)


if __name__ == "__main__":
    main(ROOT / f"docs/{sys.argv[1]}.md" if sys.argv[1:] else PAGE)
