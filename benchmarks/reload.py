"""What it costs to reload a large model under load: memory, the latency of predictions, and the pause of the loop.

A replica scores flights at a steady rate, first undisturbed, then while it switches again and again between two
versions of 20 MB, each of which it loads, verifies and warms anew. Its memory is read after each switch, and the pause
is what its log says of each.
"""

import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xgboost
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks import pages
from benchmarks.contenders import replica
from benchmarks.measure import Measure, measuring, now
from benchmarks.peer import NAME
from benchmarks.process import Process
from benchmarks.topics import Feed
from benchmarks.workload import Workload, prepare
from scorer.errors import Fatal
from scorer.rollout import FileHome, State, promote

RELOADS = 100
RATE = 500.0  # events a second
QUIET_SECONDS = 20.0  # before the first reload
MEGABYTES = 20
WARM_UP = 1_000  # events
WARM_RELOADS = 2  # after which memory should be flat
VERSIONS = ("1", "2")
SWITCH_SECONDS = 120.0  # the longest wait for one switch
SETTLE_SECONDS = 2.0
LOOK_SECONDS = 0.02


@dataclass(frozen=True, slots=True, eq=False)
class Reloads:
    """The result of a run.

    bytes:     of each model's file.
    megabytes: float64 [reloads], the replica's resident memory after each.
    pauses:    float64 [reloads], milliseconds that the loop spent on each switch.
    took:      float64 [reloads], seconds from the change of the state to the switch.
    quiet:     float64 [events], milliseconds from sending an event to the broker's append of its prediction, before.
    busy:      the same, while versions are loaded and switched.
    """

    bytes: int
    megabytes: NDArray[np.float64]
    pauses: NDArray[np.float64]
    took: NDArray[np.float64]
    quiet: NDArray[np.float64]
    busy: NDArray[np.float64]

    @property
    def growth(self) -> float:
        """Megabytes a reload by which memory grows after the first reloads."""
        flat = self.megabytes[WARM_RELOADS:]
        return float(flat[-1] - flat[0]) / max(1, len(flat) - 1)


def measure(servers: Measure, reloads: int, seconds: float, quiet: float, tell: Callable[[str], object]) -> Reloads:
    """Reload models under load.

    Args:
        servers: Kafka and Redis, with the workload.
        reloads: how many, at most.
        seconds: for all of them; no further one begins after that.
        quiet: seconds before the first.
        tell: is told of the progress.

    Raises:
        Fatal: the replica ended or stalled, or lost or doubled an event.
    """
    contender = replica("hash", 2_000, model={"rollout": "file", "version": VERSIONS[0]}, log={"format": "json"})
    contract = servers.contract(contender, servers.topics.empty())
    command = contender.program.command(contract)
    folder = contract.state_dir / NAME
    size = add_versions(folder, servers.workload)
    home, state = FileHome(folder), State(champion=VERSIONS[0])
    (folder / "rollout.yaml").write_text(f'champion: "{VERSIONS[0]}"\n')
    megabytes, took = list[float](), list[float]()
    with servers.start(command, contract) as process:
        with feeding(Feed(contract.bootstrap, contract.input_topic), servers.workload) as sent:
            _until(lambda: len(sent) >= WARM_UP, process, "the feed")
            servers.wait(process, contract, WARM_UP)
            _until(
                lambda: servers.topics.count(contract.output_topic) > len(sent) - RATE, process, "end of the backlog"
            )
            calm = len(sent)
            time.sleep(quiet)
            first, end = len(sent), time.monotonic() + seconds
            while len(took) < reloads and time.monotonic() < end:
                began, held = time.monotonic(), home.read()
                after = promote(state, VERSIONS[state.champion == VERSIONS[0]])
                home.write(held.next("promote", after, state, by="benchmark"), held)
                state = after
                _until(lambda: len(_switches(process)) > len(took), process, f"switch {len(took) + 1}")
                took.append(time.monotonic() - began)
                megabytes.append(_settled(process))
                tell(f"reload {len(took)}: {took[-1]:.1f} s, {megabytes[-1]:.0f} MB")
            last = len(sent)
        servers.wait(process, contract, len(sent))
        pauses = [float(line["pause_ms"]) for line in _switches(process)]
        process.stop()
    waits = _waits(servers, contract.output_topic, sent)
    kept, paused, each = np.array(megabytes), np.array(pauses), np.array(took)
    return Reloads(size, kept, paused, each, waits[calm:first], waits[first:last])


def add_versions(folder: Path, workload: Workload) -> int:
    """Put two versions with large models into a folder of versions, and return the bytes of one model."""
    (given,) = folder.iterdir()
    model = large((workload.folder / "model.ubj").read_bytes())
    for version in VERSIONS:
        shutil.copytree(given, folder / version)
        (folder / version / "model.ubj").write_bytes(model)
    return len(model)


def large(model: bytes) -> bytes:
    """Return a model whose trees are those of another, as often as it takes to have the wanted size."""
    booster = xgboost.Booster()
    booster.load_model(bytearray(model))
    saved: dict[str, Any] = json.loads(booster.save_raw("json"))
    trees = saved["learner"]["gradient_booster"]["model"]
    times = -(-MEGABYTES * 1_000_000 // len(model))
    once = len(trees["trees"])
    every = [{**tree, "id": number * once + tree["id"]} for number in range(times) for tree in trees["trees"]]
    trees |= {"trees": every, "tree_info": trees["tree_info"] * times, "iteration_indptr": [*range(len(every) + 1)]}
    trees["gbtree_model_param"]["num_trees"] = str(len(every))
    booster.load_model(bytearray(json.dumps(saved).encode()))
    return bytes(booster.save_raw("ubj"))


@contextmanager
def feeding(feed: Feed, workload: Workload) -> Iterator[list[float]]:
    """Feed events at a steady rate during the block; yield the times at which they were sent, in milliseconds."""
    sent, done = list[float](), threading.Event()

    def send() -> None:
        began = time.monotonic()
        while not done.is_set():
            while len(sent) < (time.monotonic() - began) * RATE:
                event = workload.event(len(sent))
                sent.append(now())
                feed.send(*event)
            feed.serve(0.001)

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    try:
        yield sent
    finally:
        done.set()
        sender.join()
    feed.finish()


def _until(holds: Callable[[], bool], process: Process, what: str) -> None:
    end = time.monotonic() + SWITCH_SECONDS
    while not holds():
        process.check()
        if time.monotonic() > end:
            raise Fatal(f"no {what} within {SWITCH_SECONDS:g} s:\n{process.last_words()}")
        time.sleep(LOOK_SECONDS)


def _settled(process: Process) -> float:
    """Return the megabytes that a replica keeps: what it held for a switch is given back a moment later."""
    least, end = process.megabytes(), time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < end:
        time.sleep(LOOK_SECONDS)
        least = min(least, process.megabytes())
    return least


def _switches(process: Process) -> list[dict[str, Any]]:
    """Return what the replica has said of its switches."""
    return [json.loads(line) for line in process.log.splitlines() if '"roll-out changed"' in line]


def _waits(servers: Measure, topic: str, sent: list[float]) -> NDArray[np.float64]:
    """Return the milliseconds that each event's prediction took.

    Raises:
        Fatal: an event has no prediction, or several.
    """
    stamps = [(int((output.key or b"").removeprefix(b"evt-")), output.stamp) for output in servers.topics.read(topic)]
    if sorted(number for number, _ in stamps) != [*range(len(sent))]:
        raise Fatal(f"{len(stamps):,} predictions of {len(sent):,} events: some are lost or doubled")
    waits: NDArray[np.float64] = np.array([stamp - sent[number] for number, stamp in sorted(stamps)])
    return waits


def run(console: Console) -> int:
    """Print what reloads cost, and return 0."""
    with measuring(prepare(console.print)) as servers:
        found = measure(servers, RELOADS, 3_600, QUIET_SECONDS, lambda text: console.print(text, style="dim"))
    shown = pages.output()
    for table in tables(found):
        shown.print(table)
    return 0


def tables(found: Reloads) -> tuple[Table, Table]:
    """Return the latencies as a table, and the memory and pauses as another."""
    waits = pages.table("milliseconds to a prediction", "events", "p50", "p99", "longest")
    for title, each in (("undisturbed", found.quiet), ("while versions are reloaded", found.busy)):
        waits.add_row(title, f"{len(each):,}", *(f"{value:.0f}" for value in np.percentile(each, (50, 99, 100))))
    subject = f"{len(found.took)} reloads of {found.bytes / 1e6:.0f} MB"
    rest = pages.table(subject, "first", "median", "last", "most")
    for title, each, digits in (
        ("memory after it, MB", found.megabytes, 0),
        ("pause of the loop, ms", found.pauses, 2),
        ("from the change to the switch, s", found.took, 1),
    ):
        figures = each[0], float(np.median(each)), each[-1], each.max()
        rest.add_row(title, *(f"{value:.{digits}f}" for value in figures))
    return waits, rest
