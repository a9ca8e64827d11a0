"""`make torture`: kills replicas in each mode of delivery, and writes a page with the results."""

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from itertools import product
from pathlib import Path

from tests.torture.evidence import Totals, together, totals
from tests.torture.report import page
from tests.torture.torture import prepared

PAGE = Path(__file__).parents[2] / "benchmarks/torture.md"
MODES = ("at-least-once", "exactly-once")
SECONDS_A_KILL = 30.0  # the maximum on a slow machine


def main(words: Sequence[str] | None = None) -> int:
    """Run, write the page, and return 1 if an error was found or the run was not convincing."""
    parser = argparse.ArgumentParser(prog="make torture", description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="of replicas, in each mode (default 200)")
    parser.add_argument("--seed", type=int, default=1, help="of all that is done in the first run (default 1)")
    parser.add_argument("--runs", type=int, default=1, help="that share the kills of a mode, each with a seed")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time; each takes more than a core")
    parser.add_argument("--delivery", action="append", choices=MODES, help="default both")
    parser.add_argument("--page", type=Path, default=PAGE, help="where the totals go")
    chosen = parser.parse_args(words)
    modes = chosen.delivery or MODES
    wanted = [*product(modes, range(chosen.seed, chosen.seed + chosen.runs))]
    with ProcessPoolExecutor(chosen.jobs) as pool:
        running = [pool.submit(run, -(-chosen.kills // chosen.runs), *each) for each in wanted]
        for ended in as_completed(running):
            if error := ended.exception():
                sys.stdout.write(f"failed: {error}\n")  # immediately, while other runs may continue
        found = [each.result() for each in running]
    runs = [together([each for each in found if each.delivery == mode]) for mode in modes]
    chosen.page.write_text(page(runs))
    sys.stdout.write(f"totals are in {chosen.page}\n")
    return int(any(each.found or not each.convincing for each in runs))


def run(kills: int, delivery: str, seed: int) -> Totals:
    """Run until this many replicas were killed."""
    with (
        tempfile.TemporaryDirectory(prefix="torture-") as folder,
        prepared(Path(folder), delivery, seed, sayer(f"{delivery}, seed {seed}: ")) as torture,
    ):
        seconds = torture.run(lambda: sum(torture.kills.values()) >= kills, kills * SECONDS_A_KILL)
        return totals(torture, seconds)


def sayer(who: str) -> Callable[[str], None]:
    """Return a function that prints the events of a run."""

    def say(line: str) -> None:
        sys.stdout.write(f"{who}{line}\n")
        sys.stdout.flush()

    return say


if __name__ == "__main__":
    sys.exit(main())
