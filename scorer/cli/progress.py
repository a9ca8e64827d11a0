"""Long work shows how far it is: live on a terminal, with a plain line now and then elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, ProgressColumn, SpinnerColumn, Task, TextColumn
from rich.text import Text

TELL_SECONDS = 10.0
SHOW_SECONDS = 0.1


@contextmanager
def counting(what: str) -> Iterator[Callable[[int], None]]:
    """Show on stderr how many things were done; yields what is to be told the number so far, as often as it may be.

    Args:
        what: the things and what happens to them, such as "events produced".
    """
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield _Teller(TELL_SECONDS, lambda done: console.print(f"{done:,} {what} so far"))
        return
    columns = SpinnerColumn(), TextColumn("{task.completed:,.0f} {task.description}"), _Rate()
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield _Teller(SHOW_SECONDS, lambda done: bar.update(task, completed=done))


class _Teller:
    """Passes a number on, at most once in some seconds."""

    def __init__(self, seconds: float, tell: Callable[[int], None]) -> None:
        self._seconds, self._tell = seconds, tell
        self._due = time.monotonic() + seconds

    def __call__(self, done: int) -> None:
        now = time.monotonic()
        if now >= self._due:
            self._due = now + self._seconds
            self._tell(done)


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        """Return the things done in a second."""
        return Text(f"{task.speed:,.0f}/s" if task.speed else "", style="dim")
