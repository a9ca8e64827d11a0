"""Background work on its own thread."""

import threading
from abc import ABC, abstractmethod


class Background(ABC):
    """Works on a thread from `start()` until `close()`.

    Args:
        name: the thread's name.
        patience: how many seconds `close()` waits for the work to end.
    """

    def __init__(self, name: str, patience: float) -> None:
        self._patience, self._stopping = patience, threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Work from now on."""
        self._thread.start()

    def close(self) -> None:
        """Ask the thread to end, and wait for it for up to `patience` seconds."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(self._patience)

    @abstractmethod
    def _run(self) -> None:
        """Work until `_stopping` is set, and finish what must be finished."""
