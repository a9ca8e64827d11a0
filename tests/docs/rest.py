"""The picture of `scorer serve` in the README: `python -m tests.docs.rest` runs its commands and draws it."""

import io
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

from scorer.demo.picture import FONT
from scorer.sandbox import Redis
from tests.docs.pages import BLOCK, PATIENT, ROOT, run, unpack
from tests.rest.served import Served

PAGE = ROOT / "docs/rest.md"
PICTURE = ROOT / "docs/images/rest.svg"
WIDTH = 118
COMMANDS = (
    "curl -s localhost:8080/score -d @flight.json",
    'curl -s localhost:8080/v1/models/flight-delays:predict -d "{\\"instances\\": [$(cat flight.json)]}"',
    "curl -s localhost:8080/invocations -H 'Content-Type: text/csv' -d @flight.csv",
    "sed 's/1400/\"far\"/' flight.json | curl -s localhost:8080/score -d @- | python3 -m json.tool | grep -m1 detail",
)
LINE = "-8,5,16,6,1400,224,11,0,2002,275,2,10,0,0.25,5,75,72,93,210,11,,0,,10,-13,375"


def files(folder: Path) -> None:
    """Write the files of the page, and what they name of the repository."""
    blocks = BLOCK.findall(PAGE.read_text())
    unpack("".join(f"```{kind} file={file}\n{text}```\n" for kind, file, text in blocks if file), folder)
    (folder / "flight.csv").write_text(LINE)
    for name in ("models", "schemas"):
        (folder / name).symlink_to(ROOT / name)


def drawn() -> str:
    """Run the commands, and return the picture of what they print."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files(folder)
        with (
            Redis(folder / "redis") as redis,
            Served(folder / "serve.yaml", folder / "log", SCORER_FEATURES__URL=redis.url, **PATIENT) as server,
        ):
            server.until_ready()
            asked = [each.replace("localhost:8080", f"127.0.0.1:{server.port}") for each in COMMANDS]
            said = [run([each], folder, 60).stdout.strip() for each in asked]
    shown = Text()
    for command, answer in zip(COMMANDS, said, strict=True):
        shown.append(f"$ {command}\n", "dim").append(f"{answer}\n\n")
    canvas = Console(record=True, file=io.StringIO(), width=WIDTH, force_terminal=True)
    canvas.print(shown, end="")
    return FONT.sub("", canvas.export_svg(title="scorer serve"))


if __name__ == "__main__":
    PICTURE.write_text(drawn())
