"""Logs that the loop is stuck while there is still time: before the group reassigns the partitions."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from scorer.monitor.health import Health
from scorer.monitor.logs import Outages

LOOK_SECONDS = 1.0


@contextmanager
def watched(health: Health, outages: Outages) -> Iterator[None]:
    """Log, from a separate thread, when the loop is stuck and when it continues."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(LOOK_SECONDS):
            live, words = health.live()
            if live:
                outages.recovered("loop")
            else:
                outages.unhealthy("loop", words["conditions"]["loop"])

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        done.set()
