"""`make fuzz`: decodes mutants of random events, compares some with fastavro, and writes a page with the totals.

What is done is kept after each chunk, so that a run which was stopped goes on where it was.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from time import monotonic

from tests.fuzz.report import page
from tests.fuzz.runner import Plan, run
from tests.fuzz.totals import Totals

ROOT = Path(__file__).parents[2]


def main(words: Sequence[str] | None = None) -> int:
    """Run, write the page, and return 1 if anything was found."""
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--mutants", type=int, default=100_000_000, help="how many at least (default 100 million)")
    parser.add_argument("--seed", type=int, default=1, help="of all that is random (default 1)")
    parser.add_argument("--jobs", type=int, default=1, help="processes at a time")
    parser.add_argument("--share", type=int, default=200, help="compare one mutant of so many (default 200)")
    parser.add_argument("--chunk", type=int, help="run only this chunk, keep nothing, and print what is found")
    parser.add_argument(
        "--state", type=Path, help="what keeps the chunks that are done (default build/fuzz-SEED.jsonl)"
    )
    parser.add_argument("--page", type=Path, default=ROOT / "benchmarks/fuzz.md", help="where the totals go")
    chosen = parser.parse_args(words)
    plan = Plan(chosen.seed, share=chosen.share)
    if chosen.chunk is not None:
        ((_, totals),) = run(plan, [chosen.chunk], 1)
        sys.stdout.write("\n".join([*totals.findings, f"{totals.mutants:,} mutants\n"]))
        return int(bool(totals.findings))
    totals = resumed(plan, chosen.mutants, chosen.jobs, chosen.state or ROOT / f"build/fuzz-{chosen.seed}.jsonl")
    chosen.page.write_text(page(totals, plan, chosen.mutants))
    sys.stdout.write(f"totals are in {chosen.page}\n")
    return int(bool(totals.findings))


def resumed(plan: Plan, mutants: int, jobs: int, state: Path) -> Totals:
    """Run the chunks that are not done yet, and return the totals of all."""
    done = kept(state)
    todo = [number for number in range(-(-mutants // plan.mutants)) if number not in done]
    totals = Totals()
    for each in done.values():
        totals.add(each)
    state.parent.mkdir(parents=True, exist_ok=True)
    began, before = monotonic(), totals.mutants
    with state.open("a") as file:
        for number, found in run(plan, todo, jobs):
            totals.add(found)
            file.write(json.dumps({"chunk": number} | found.to_json()) + "\n")
            file.flush()
            rate = (totals.mutants - before) / (monotonic() - began)
            told = f"{totals.mutants:,} of {mutants:,}, {rate:,.0f}/s, {len(totals.findings)} findings"
            sys.stdout.write("\n".join([*found.findings, f"chunk {number}: {told}\n"]))
            sys.stdout.flush()
    return totals


def kept(state: Path) -> dict[int, Totals]:
    """Return the totals of the chunks that are done, by number."""
    lines = [json.loads(line) for line in state.read_text().splitlines()] if state.exists() else []
    return {line.pop("chunk"): Totals.of_json(line) for line in lines}


if __name__ == "__main__":
    sys.exit(main())
