"""Makes the README's picture from a real run: `python -m scorer.demo.picture docs/images/demo.svg`.

It shows the view at the moment of the largest lag, while the killed replica's partitions wait for its successor.
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
            # Without the web font that rich refers to: any monospaced font will do.
            target.write_text(FONT.sub("", canvas.export_svg(title="scorer demo")))

    console = Console(stderr=True, highlight=False)
    console.print(demo.run(Wanted(), console, take).panel())


if __name__ == "__main__":
    main()
