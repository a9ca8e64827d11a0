"""Live lines of progress on a terminal; rich takes 20 ms to load what it draws them with."""

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn
from rich.text import Text


def counter(console: Console) -> Progress:
    """Return a line for work of which only the number done is known."""
    number = TextColumn("{task.completed:,.0f} {task.description}")
    return Progress(SpinnerColumn(), number, _Rate(), console=console, transient=True)


def bar(console: Console) -> Progress:
    """Return a bar for known work; its field `said` is the text beside it."""
    return Progress(SpinnerColumn(), BarColumn(), TextColumn("{task.fields[said]}"), console=console, transient=True)


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        """Return the rate per second."""
        return Text(f"{task.speed:,.0f}/s" if task.speed else "", style="dim")
