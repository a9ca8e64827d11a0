"""Progress of long work: live on a terminal, otherwise a plain line every few seconds."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, ProgressColumn, SpinnerColumn, Task, TextColumn
from rich.text import Text

PRINT_SECONDS = 10.0
SHOW_SECONDS = 0.1


@contextmanager
def counting(what: str) -> Iterator[Callable[[int], None]]:
    """Show on stderr how much is done; yields a function to call with the number so far, as often as you like.

    Args:
        what: what is counted, such as "events produced".
    """
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield _Throttle(PRINT_SECONDS, lambda done: console.print(f"{done:,} {what} so far"))
        return
    columns = SpinnerColumn(), TextColumn("{task.completed:,.0f} {task.description}"), _Rate()
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield _Throttle(SHOW_SECONDS, lambda done: bar.update(task, completed=done))


class _Throttle:
    """Passes a number on, at most once in `seconds`."""

    def __init__(self, seconds: float, show: Callable[[int], None]) -> None:
        self._seconds, self._show = seconds, show
        self._due = time.monotonic() + seconds

    def __call__(self, done: int) -> None:
        now = time.monotonic()
        if now >= self._due:
            self._due = now + self._seconds
            self._show(done)


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        """Return the rate per second."""
        return Text(f"{task.speed:,.0f}/s" if task.speed else "", style="dim")
