"""Imports the module of a command in as little time as its packages allow."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import cast

# xgboost does without its wrappers for plots and scikit-learn where they cannot be imported. No command uses them, and
# they import scipy.special, which takes a tenth of a second. The Python API leaves them: its caller may use them.
UNUSED = "xgboost.plotting"


def imported(module: str) -> ModuleType:
    """Import a module, with the garbage collector kept from what that brings: it stays until the end.

    Looking through it again and again while it is imported, and once more when the process ends, would take a third of
    the time of a short command.
    """
    if module in sys.modules:
        return sys.modules[module]
    gc.disable()
    try:
        return _import_without(UNUSED, module)
    finally:
        gc.freeze()
        gc.enable()


def _import_without(unused: str, module: str) -> ModuleType:
    """Import a module while another cannot be imported; with it, if that is an error."""
    try:
        with _hidden(unused):
            return import_module(module)
    except ModuleNotFoundError as error:
        if error.name != unused:
            raise
        return import_module(module)


@contextmanager
def _hidden(module: str) -> Iterator[None]:
    """Let the import of a module fail, unless it was imported before."""
    if module in sys.modules:
        yield
        return
    sys.modules[module] = cast("ModuleType", None)  # for which Python raises ModuleNotFoundError
    try:
        yield
    finally:
        del sys.modules[module]
