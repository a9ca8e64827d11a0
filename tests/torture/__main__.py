"""`make torture`: as many kills as wanted in each mode of delivery, and a page with what came of it."""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.torture.evidence import Totals, totals
from tests.torture.report import page
from tests.torture.torture import prepared

PAGE = Path(__file__).parents[2] / "benchmarks/torture.md"
SECONDS_A_KILL = 30.0  # at most, on a slow machine


def main() -> int:
    """Run, write the page, and return 1 where anything was found or nothing could have been."""
    parser = argparse.ArgumentParser(prog="make torture", description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="of replicas, in each mode (default 200)")
    parser.add_argument("--seed", type=int, default=1, help="of all that is done (default 1)")
    parser.add_argument("--delivery", action="append", choices=["at-least-once", "exactly-once"], help="default both")
    parser.add_argument("--page", type=Path, default=PAGE, help="where the totals go")
    chosen = parser.parse_args()
    modes = chosen.delivery or ["at-least-once", "exactly-once"]
    runs = [run(delivery, chosen.seed, chosen.kills) for delivery in modes]
    chosen.page.write_text(page(runs))
    say(f"totals are in {chosen.page}")
    return int(any(each.found or not each.convincing for each in runs))


def run(delivery: str, seed: int, kills: int) -> Totals:
    """Run until there were so many kills."""
    with (
        tempfile.TemporaryDirectory(prefix="torture-") as folder,
        prepared(Path(folder), delivery, seed, say) as torture,
    ):
        seconds = torture.run(lambda: sum(torture.kills.values()) >= kills, kills * SECONDS_A_KILL)
        return totals(torture, seconds)


def say(line: str) -> None:
    """Tell what is going on."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
