"""Progress of long work: live on a terminal, otherwise a plain line every few seconds."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

from rich.console import Console

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
    from scorer.cli.shown import bars  # noqa: PLC0415  off a terminal nothing waits for its packages

    with bars.counter(console) as line:
        task = line.add_task(what, total=None)
        yield _Throttle(SHOW_SECONDS, lambda done: line.update(task, completed=done))


@contextmanager
def working(what: str, total: float) -> Iterator[Callable[[int, float], None]]:
    """Show on stderr how much of known work is done, how fast, and how long the rest takes.

    Yields a function to call with the number so far, and with how much of the total that is, as often as you like.

    Args:
        what: what is counted, such as "rows scored".
        total: the whole work, in any unit.
    """
    console, rate = Console(stderr=True, highlight=False), _Pace(total)
    if not console.is_terminal:
        throttle = _Throttle(PRINT_SECONDS, lambda done: console.print(f"{done:,} {what} so far, {rate.text(done)}"))
    else:
        from scorer.cli.shown import bars  # noqa: PLC0415  the same

        bar = bars.bar(console)
        task = bar.add_task(what, total=max(total, 1), said="")

        def show(done: int) -> None:
            bar.update(task, completed=rate.part, said=f"{done:,} {what}, {rate.text(done)}")

        throttle = _Throttle(SHOW_SECONDS, show)

    def tell(done: int, part: float) -> None:
        rate.note(done, part)
        throttle(done)

    with bar if console.is_terminal else nullcontext():
        yield tell


class _Pace:
    """The speed of work, and the time that is left; both are measured from the first report on, not while it starts.

    Args:
        total: the whole work.

    Attributes:
        part: how much of it is done.
    """

    def __init__(self, total: float) -> None:
        self._total, self.part = total, 0.0
        self._first: tuple[float, int, float] | None = None  # the time, the number and the part of the first report

    def note(self, done: int, part: float) -> None:
        """Note how much is done."""
        self.part = part
        if self._first is None:
            self._first = time.monotonic(), done, part

    def text(self, done: int) -> str:
        """Return the rate and the time left, as far as these are known."""
        start, before, first = self._first or (time.monotonic(), done, self.part)
        seconds, gained = time.monotonic() - start, self.part - first
        if seconds <= 0:
            return "just begun"
        rate = f"{(done - before) / seconds:,.0f}/s"
        if gained <= 0 or self.part >= self._total:
            return rate
        minutes, rest = divmod(round(seconds * (self._total - self.part) / gained), 60)
        hours, minutes = divmod(minutes, 60)
        return f"{rate}, {hours}:{minutes:02}:{rest:02} left"


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
