"""A flame graph of a replica that works through a backlog: `flame.svg`.

py-spy samples the Python threads that run. A kernel is the function that calls it; the threads of the Kafka clients
have no Python in them, and are not in the picture: `stages` says what they take.
"""

import subprocess
import sys
from pathlib import Path

from rich.console import Console

from benchmarks.contenders import Contender
from benchmarks.measure import measuring
from benchmarks.workload import prepare
from scorer.errors import Fatal

FILE = Path(__file__).with_name("flame.svg")
TOOL = "py-spy@0.4.1"
HERTZ = 500


def run(contender: Contender, events: int, file: Path, console: Console) -> int:
    """Sample a replica that works through a backlog, write the flame graph to a file, and return 0.

    Raises:
        Fatal: the replica failed, or the sampler did: it has to be fetched, and to be allowed to look.
    """
    subprocess.run(_tool("--version"), check=True, stdout=subprocess.DEVNULL)  # noqa: S603  fetched now, not when it is due
    with measuring(prepare(console.print)) as measure:
        contract = measure.contract(contender, measure.topics.filled(measure.workload, events))
        with measure.start(contender.program.command(contract), contract) as process:
            next(count for count in measure.looks([process], contract, events) if count > 0)
            # Named as in its folder: the command is written into the picture.
            sampler = subprocess.Popen(  # noqa: S603  the same
                _record(process.pid, file.name), cwd=file.parent, stderr=subprocess.PIPE, text=True
            )
            measure.wait(process, contract, events)
            process.stop()
        _, said = sampler.communicate()
        measure.verify(contender, contract, events)
    if sampler.returncode:
        raise Fatal(f"no picture was taken: {said.strip()}")
    console.print(f"{file}: {contender}, a backlog of {events:,} events")
    return 0


def _record(pid: int, name: str) -> list[str]:
    where = ["--pid", str(pid), "--output", name]
    return _tool("record", *where, "--rate", str(HERTZ), "--duration", "unlimited")


def _tool(*words: str) -> list[str]:
    return [str(Path(sys.executable).with_name("uv")), "tool", "run", "--quiet", TOOL, *words]
