"""The command line of the benchmark; README.md has examples."""

import argparse
import json
import sys
from collections.abc import Callable, Collection, Sequence
from itertools import product
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.text import Text

from benchmarks import (
    arms,
    drift,
    explain,
    feast,
    flame,
    formats,
    harness,
    otel,
    pages,
    reload,
    report,
    rest,
    schemas,
    spark,
    sql,
    stages,
    startup,
    sweeps,
    tables,
    trees,
)
from benchmarks.compare import Wanted, compare
from benchmarks.contenders import BASE, LAYOUTS, RIVALS, SCORER, contenders, replica
from benchmarks.peer import BATCHES
from benchmarks.sweeps.scope import Scope
from scorer.cli.lifecycle.options import positive
from scorer.errors import ScorerError

CHECK = Wanted(contenders([BASE], ["hash"], BATCHES[-1:]), events=50_000, rounds=2, rates=())


def main(words: Sequence[str]) -> int:
    """Measure, and return 0, or 1 if a run failed or the ratio of `--check` was not reached."""
    console = Console(stderr=True, highlight=False)
    end = words.index("--") if "--" in words else len(words)
    chosen = _arguments().parse_args(words[:end])
    try:
        if chosen.harness:
            return harness.run(chosen.harness, chosen.python, chosen.layouts, chosen.batches, words[end + 1 :])
        return _check(chosen.check, console) if chosen.check else WHAT[chosen.what](chosen, console)
    except ScorerError as error:
        console.print(Text.assemble(("error", "bold red"), f": {error}"), soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        return 1


def _compare(chosen: argparse.Namespace, console: Console) -> int:
    chosen_ones = contenders(chosen.rivals, chosen.layouts, chosen.batches, chosen.beside)
    wanted = Wanted(chosen_ones, chosen.events, chosen.repeat, chosen.rates, chosen.seconds, chosen.at_once)
    results = compare(wanted, console)
    document = json.dumps(results.document(), indent=2) + "\n"
    if chosen.output:
        chosen.output.write_text(document)
    if chosen.json:
        sys.stdout.write(document)
    else:
        report.show(results, pages.output())
    return 0


def _stages(chosen: argparse.Namespace, console: Console) -> int:
    return stages.run([*product(chosen.layouts, chosen.batches)], chosen.events, chosen.repeat, console)


def _sweeps(chosen: argparse.Namespace, console: Console) -> int:
    rate = next(iter(chosen.rates), Wanted(()).rates[0])
    scope = Scope(chosen.events, chosen.repeat, rate, chosen.seconds, console, chosen.batches[-1])
    return sweeps.run(chosen.only, chosen.points, scope)


def _flame(chosen: argparse.Namespace, console: Console) -> int:
    return flame.run(
        replica(chosen.layouts[0], chosen.batches[-1]), chosen.events, chosen.output or flame.FILE, console
    )


def _trees(_: argparse.Namespace, console: Console) -> int:
    return trees.run(console)


def _formats(_: argparse.Namespace, console: Console) -> int:
    return formats.run(console)


def _tables(_: argparse.Namespace, console: Console) -> int:
    return tables.run(console)


def _sql(_: argparse.Namespace, console: Console) -> int:
    return sql.run(console)


def _spark(_: argparse.Namespace, console: Console) -> int:
    return spark.run(console)


def _explain(_: argparse.Namespace, console: Console) -> int:
    return explain.run(console)


def _reload(_: argparse.Namespace, console: Console) -> int:
    return reload.run(console)


def _schemas(_: argparse.Namespace, console: Console) -> int:
    return schemas.run(console)


def _drift(_: argparse.Namespace, console: Console) -> int:
    return drift.run(console)


def _arms(_: argparse.Namespace, console: Console) -> int:
    return arms.run(console)


def _otel(_: argparse.Namespace, console: Console) -> int:
    return otel.run(console)


def _feast(_: argparse.Namespace, console: Console) -> int:
    return feast.run(console)


def _rest(_: argparse.Namespace, console: Console) -> int:
    return rest.run(console)


def _startup(chosen: argparse.Namespace, console: Console) -> int:
    return startup.run(chosen.beside, chosen.repeat, console)


WHAT = {
    "arms": _arms,
    "compare": _compare,
    "drift": _drift,
    "explain": _explain,
    "feast": _feast,
    "flame": _flame,
    "otel": _otel,
    "reload": _reload,
    "rest": _rest,
    "schemas": _schemas,
    "spark": _spark,
    "sql": _sql,
    "stages": _stages,
    "startup": _startup,
    "sweeps": _sweeps,
    "tables": _tables,
    "formats": _formats,
    "trees": _trees,
}


def _check(least: float, console: Console) -> int:
    results = compare(CHECK, console)
    ratio = median(results.ratios(CHECK.contenders[-1]))
    holds = ratio >= least
    verdict = f"{SCORER} does {ratio:.2f} times the events of {BASE} for the same CPU; at least {least:g} is asked for"
    console.print(verdict, style="green" if holds else "bold red", soft_wrap=True)
    return 0 if holds else 1


def _arguments() -> argparse.ArgumentParser:
    default = Wanted(())
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__, allow_abbrev=False)
    add = parser.add_argument
    add(
        "what",
        nargs="?",
        choices=WHAT,
        default="compare",
        help="compare, canaries, explanations, Feast, flame, reloads, REST, schemas, Spark, SQL, stages, start, files",
    )
    add("--events", type=positive, default=default.events, metavar="N", help="a backlog, before each one's share")
    add("--repeat", type=positive, default=default.rounds, metavar="N", help="rounds (default: %(default)s)")
    add("--layouts", type=_some(LAYOUTS), default=LAYOUTS, metavar="A,B", help=f"of {', '.join(LAYOUTS)}")
    add(
        "--batches",
        type=_list(positive),
        default=BATCHES,
        metavar="A,B",
        help="the most events of a batch; sweeps: the last",
    )
    add("--rivals", type=_some(RIVALS), default=tuple(RIVALS), metavar="A,B", help=f"of {', '.join(RIVALS)}")
    add(
        "--rates",
        type=_list(float),
        default=default.rates,
        metavar="A,B",
        help="events/s to measure latency at, or none",
    )
    add("--beside", type=_checkout, metavar="DIR", help="another checkout with its .venv: measure that as well")
    add("--at-once", action="store_true", help="measure the latency of both at the same time, with the same events")
    add("--seconds", type=positive, default=default.seconds, metavar="N", help="of each (default: %(default)s)")
    add("--only", type=_some(sweeps.SWEEPS), default=[*sweeps.SWEEPS], metavar="A,B", help="of the sweeps")
    add("--points", type=_list(positive), default=[], metavar="A,B", help="of a sweep, in place of its own")
    add("--json", action="store_true", help="print one JSON document")
    add("--output", type=Path, metavar="FILE", help="write that document to a file as well")
    add("--check", type=float, metavar="RATIO", help=f"only that against {BASE}: exit 1 where it is less")
    add("--harness", type=Path, metavar="FILE", help="run a wider harness instead; what follows -- is for it")
    add("--python", type=Path, default=Path(sys.executable), metavar="FILE", help="that has the harness's requirements")
    return parser


def _checkout(text: str) -> Path:
    if not (Path(text) / ".venv/bin/scorer").exists():
        raise argparse.ArgumentTypeError(f"{text} has no .venv/bin/scorer; run `make .venv/ready` there")
    return Path(text)


def _some(known: Collection[str]) -> Callable[[str], list[str]]:
    def names(text: str) -> list[str]:
        chosen = text.split(",") if text != "none" else []
        if unknown := set(chosen) - set(known):
            raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; there are {', '.join(known)}")
        return chosen

    return names


def _list(kind: Callable[[str], float]) -> Callable[[str], list[float]]:
    def numbers(text: str) -> list[float]:
        return [kind(number) for number in text.split(",")] if text != "none" else []

    return numbers


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
