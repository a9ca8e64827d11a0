"""Makes the picture of the README from a real run: `python -m scorer.demo.picture docs/images/demo.svg`.

It is the view while the killed replica's partitions wait for its successor, when most events wait.
"""

import io
import re
import sys
from pathlib import Path

from rich.console import Console

from scorer.demo import Wanted, demo
from scorer.demo.show import Show

WIDTH = 116
FONT = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)


def main() -> None:
    """Run the demo and write the picture."""
    target, most = Path(sys.argv[1]), 0

    def take(show: Show) -> None:
        nonlocal most
        if any(replica.state == "killed" for replica in show.replicas) and sum(show.lags) > most:
            most = sum(show.lags)
            canvas = Console(record=True, file=io.StringIO(), width=WIDTH)
            canvas.print(show.view())
            # Without the font that rich would have fetched from elsewhere: any monospaced one does.
            target.write_text(FONT.sub("", canvas.export_svg(title="scorer demo")))

    console = Console(stderr=True, highlight=False)
    console.print(demo.run(Wanted(), console, take).panel())


if __name__ == "__main__":
    main()
