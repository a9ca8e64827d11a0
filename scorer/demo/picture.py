"""Makes the picture of the README from a real run: `python -m scorer.demo.picture docs/images/demo.svg`.

It is the last view before the successor of the killed replica is ready, when the events that wait for it are most.
"""

import io
import sys
from pathlib import Path

from rich.console import Console

from scorer.demo import Wanted, demo
from scorer.demo.show import Show

WIDTH = 116


def main() -> None:
    """Run the demo and write the picture."""
    target = Path(sys.argv[1])

    def take(show: Show) -> None:
        if any(replica.state == "killed" for replica in show.replicas) and show.replicas[-1].state == "starting":
            canvas = Console(record=True, file=io.StringIO(), width=WIDTH)
            canvas.print(show.view())
            canvas.save_svg(str(target), title="scorer demo")

    console = Console(stderr=True, highlight=False)
    console.print(demo.run(Wanted(), console, take).panel())


if __name__ == "__main__":
    main()
