"""Python's garbage collector in a program that runs for long."""

import gc

# A batch makes about as many objects as Python's default of 700, and no cycles: reference counts free all of them.
OBJECTS = 20_000


def collect_rarely() -> None:
    """Let later collections skip what is loaded now, and begin only after many more objects."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(OBJECTS)
