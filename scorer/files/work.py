"""Shares files among processes, and tracks their progress."""

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

from scorer.errors import Fatal, Misconfigured, Problem, ScorerError
from scorer.files.outputs import Receipt, shared
from scorer.files.scoring import FileScorer, Order, Task
from scorer.monitor import configure_logging

_CONTEXT = get_context("spawn")  # a fork would have the threads of libraries, but not what they hold


@dataclass(slots=True)
class Work:
    """The files to score, and their progress. Each is known by its index in `tasks`.

    tasks:    the files to score, the largest first.
    rows:     the number of rows read from each so far.
    share:    the share of each that was read, from 0 to 1.
    receipts: the receipts of finished outputs.
    problems: the problems of files that could not be scored.
    """

    tasks: Sequence[Task]
    rows: dict[int, int] = field(default_factory=dict)
    share: dict[int, float] = field(default_factory=dict)
    receipts: dict[int, Receipt] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    @property
    def rows_read(self) -> int:
        """How many rows were read."""
        return sum(self.rows.values())

    @property
    def bytes_read(self) -> float:
        """About how many bytes of the files were read."""
        return sum(self.tasks[number].size * share for number, share in self.share.items())

    def tell(self, number: int, rows: int, share: float) -> None:
        """Record the progress of a file."""
        self.rows[number], self.share[number] = rows, share

    def end(self, number: int, outcome: Receipt | Sequence[Problem]) -> None:
        """Record that a file is finished, or why it cannot be scored."""
        self.share[number] = 1.0
        if isinstance(outcome, Receipt):
            self.receipts[number] = outcome
        else:
            self.problems += outcome


def score_here(scorer: FileScorer, work: Work, show: Callable[[Work], None]) -> None:
    """Score files in this process, and record the problems of those that cannot be scored.

    Raises:
        Unavailable: a store does not answer.
        Fatal: an output cannot be written.
    """
    for number, task in enumerate(work.tasks):

        def tell(rows: int, share: float, number: int = number) -> None:
            work.tell(number, rows, share)
            show(work)

        work.end(number, _result(scorer, task, tell))
        show(work)


def score_in_processes(order: Order, work: Work, jobs: int, show: Callable[[Work], None]) -> None:
    """Share files among processes; each takes the next one when it is done with its own.

    Raises:
        Fatal: a process was killed, or stopped since a store does not answer or an output cannot be written.
    """
    waiting = iter(enumerate(work.tasks))
    with _processes(order, min(jobs, len(work.tasks))) as processes:
        busy = dict[Connection, tuple[int, SpawnProcess]]()
        for connection, process in processes.items():
            _send_next(connection, process, waiting, busy)
        while busy:
            for connection in [each for each in wait(list(busy), timeout=1.0) if isinstance(each, Connection)]:
                number, process = busy[connection]
                try:
                    kind, *told = connection.recv()
                except EOFError:
                    process.join()
                    file = work.tasks[number].file.address
                    what = f"the process that scored {file} ended with code {process.exitcode}"
                    raise Fatal(f"{what}; start again: finished outputs are kept") from None
                if kind == "read":
                    work.tell(number, *told)
                elif kind == "stopped":
                    raise told[0]
                else:
                    work.end(number, told[0])
                    del busy[connection]
                    _send_next(connection, process, waiting, busy)
            show(work)


def _send_next(
    connection: Connection,
    process: SpawnProcess,
    waiting: Iterator[tuple[int, Task]],
    busy: dict[Connection, tuple[int, SpawnProcess]],
) -> None:
    number, task = next(waiting, (0, None))
    if task is not None:
        busy[connection] = number, process
        connection.send(task)


@contextmanager
def _processes(order: Order, count: int) -> Iterator[dict[Connection, SpawnProcess]]:
    started: dict[Connection, SpawnProcess] = {}
    try:
        for _ in range(count):
            ours, theirs = _CONTEXT.Pipe()
            process = _CONTEXT.Process(target=_serve, args=(order, theirs), daemon=True)
            process.start()
            theirs.close()
            started[ours] = process
        yield started
    finally:
        for connection, process in started.items():
            process.kill()
            process.join()
            connection.close()


def _serve(order: Order, connection: Connection) -> None:
    """Score the files that are sent to this process, until its parent ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its processes
    threading.Thread(target=_end_with_parent, daemon=True).start()
    configure_logging("error", order.settings.log.format)  # the parent has logged the warnings
    try:
        with shared(order.output), FileScorer(order) as scorer:
            while True:
                result = _result(scorer, connection.recv(), lambda *told: connection.send(("read", *told)))
                connection.send(("ended", result))
    except ScorerError as error:
        connection.send(("stopped", Fatal(str(error))))


def _end_with_parent() -> None:
    """End this process at once when its parent has ended, even by a kill."""
    parent = parent_process()
    assert parent is not None  # noqa: S101  it was started by one
    wait([parent.sentinel])
    os._exit(1)


def _result(scorer: FileScorer, task: Task, tell: Callable[[int, float], None]) -> Receipt | list[Problem]:
    try:
        return scorer.score(task, tell)
    except Misconfigured as error:
        return list(error.problems)
