"""How Ctrl-C and SIGTERM end a command that does not handle them itself."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

STOPS = (signal.SIGINT, signal.SIGTERM)
Handler = Callable[[int, FrameType | None], object]


@contextmanager
def terminable() -> Iterator[None]:
    """Let SIGTERM raise KeyboardInterrupt, as Ctrl-C does."""
    with _handled((signal.SIGTERM,), signal.default_int_handler):
        yield


@contextmanager
def at_once() -> Iterator[None]:
    """Let a signal end the process with 0 at once. This is for imports, which leave nothing behind.

    The first import of the kernels compiles them for up to half a minute, and the compiler swallows KeyboardInterrupt.
    """
    with _handled(STOPS, lambda *_: os._exit(0)):
        yield


@contextmanager
def _handled(numbers: tuple[signal.Signals, ...], handler: Handler) -> Iterator[None]:
    """Handle these signals, except those that the process ignores, as a script's background jobs do."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in numbers}
    for number in numbers:
        if before[number] is not signal.SIG_IGN:
            signal.signal(number, handler)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, before[number])
