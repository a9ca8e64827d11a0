"""What a start costs: CPU seconds of commands to their end, and of a replica until it serves.

With warm caches: bytecode is compiled, kernels are loaded from numba's cache, an earlier start proved the model, and
files are in memory.
"""

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from benchmarks import pages, peer
from benchmarks.contenders import replica
from benchmarks.measure import Measure, measuring
from benchmarks.process import Process
from benchmarks.workload import Workload, prepare
from scorer.avro import Converter, Schema
from scorer.errors import Fatal

HERE = Path(__file__).parents[1]
EVENTS = 3
PACKAGES = "from scorer.cli.lifecycle.importing import imported; imported('xgboost'); imported('scorer.arrays.floats')"
PATIENCE_SECONDS = 120.0
LOOK_SECONDS = 0.005
FIRST = "the same, the first time with a model"
IMPORTS, REPLICA = "`scorer run --help`, which imports all of a replica", "`scorer run`, until it serves"
WARM = {"PYTHONDONTWRITEBYTECODE": ""}  # else the first round keeps no bytecode for the others


def run(beside: Path | None, rounds: int, console: Console) -> int:
    """Measure each start in turn, print a table, and return 0.

    Args:
        beside: another checkout, whose environment has the same packages; measured in the same rounds.
        rounds: each start once a round, after one that is not counted.
        console: told of each round.

    Raises:
        Fatal: a command failed.
    """
    with measuring(prepare(console.print)) as measure:
        found = spent(measure, [HERE, *([beside] if beside else [])], rounds, console.print)
    pages.output().print(table(found))
    return 0


def spent(
    measure: Measure, checkouts: Sequence[Path], rounds: int, tell: Callable[[str], None]
) -> dict[str, dict[Path, list[float]]]:
    """Return the CPU seconds of each start in each checkout, round by round."""
    contract = measure.contract(replica("hash", peer.BATCHES[-1]), measure.topics.filled(measure.workload, EVENTS))
    config = str(peer.configure(contract))
    events = contract.state_dir / "events.jsonl"
    _write(measure.workload, events)
    starts: dict[str, list[str]] = {
        "Python": ["-c", "pass"],
        "xgboost, and numba with its first kernels": ["-c", PACKAGES],
        "`scorer --help`": ["-m", "scorer", "--help"],
        IMPORTS: ["-m", "scorer", "run", "--help"],
        "`scorer score` of three events": ["-m", "scorer", "score", "-c", config, "--input", str(events)],
        FIRST: ["-m", "scorer", "score", "-c", config, "--input", str(events)],
        REPLICA: ["-m", "scorer", "run", "-c", config],
    }
    found: dict[str, dict[Path, list[float]]] = {name: {place: [] for place in checkouts} for name in starts}
    for number in range(rounds + 1):
        for name, words in starts.items():
            for place in checkouts:
                command = [str(place / ".venv/bin/python"), *words]
                log = contract.state_dir / "start.log"
                proofs = {"XDG_CACHE_HOME": tempfile.mkdtemp(dir=contract.state_dir)} if name == FIRST else {}
                until = until_serving if name == REPLICA else until_its_end
                seconds = until(command, place, log, WARM | proofs)
                if number:
                    found[name][place].append(seconds)
        tell(f"round {number} of {rounds}")
    return found


def until_its_end(command: Sequence[str], folder: Path, log: Path, environment: Mapping[str, str]) -> float:
    """Return the CPU seconds of a command and of the children that it waited for.

    Raises:
        Fatal: it failed.
    """
    with log.open("wb") as said:
        started = subprocess.Popen(command, cwd=folder, env=os.environ | environment, stdout=said, stderr=said)  # noqa: S603  our own commands
        _, status, usage = os.wait4(started.pid, 0)
    started.returncode = os.waitstatus_to_exitcode(status)
    if started.returncode:
        raise Fatal(f"{' '.join(command)} ended with exit code {started.returncode}:\n{log.read_text()[-2000:]}")
    return usage.ru_utime + usage.ru_stime


def until_serving(command: Sequence[str], folder: Path, log: Path, environment: Mapping[str, str]) -> float:
    """Return the CPU seconds of a replica and its children from its start until it says that it serves.

    Raises:
        Fatal: it ended, or did not come so far.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    with Process(command, environment, log, folder) as process:
        while '"event": "serving"' not in log.read_text():
            process.check()
            if time.monotonic() > deadline:
                raise Fatal(f"a replica did not serve within {PATIENCE_SECONDS:.0f} s:\n{process.last_words()}")
            time.sleep(LOOK_SECONDS)
        seconds = process.cpu_seconds()
        process.stop()
    return seconds


def table(found: dict[str, dict[Path, list[float]]]) -> Table:
    """Return a row for each start and a column for each checkout: the least, and the median in brackets."""
    places = next(iter(found.values()))
    shown = pages.table("CPU seconds", *("this checkout" if place == HERE else place.name for place in places))
    for name, of_place in found.items():
        shown.add_row(name, *(f"{min(each):.2f} ({median(each):.2f})" for each in of_place.values()))
    return shown


def _write(workload: Workload, file: Path) -> None:
    converter = Converter(Schema.load(workload.folder / "event.avsc"))
    events = [converter.to_json(workload.event(number)[1]) for number in range(EVENTS)]
    file.write_text("".join(json.dumps(event) + "\n" for event in events))
