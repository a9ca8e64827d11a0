"""Imports the module of a command in as little time as its packages allow."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import cast

# Packages do without these where they cannot be imported, and no command uses what they bring. xgboost has wrappers for
# plots and scikit-learn, which import scipy.special; numba looks for a BLAS with its first kernel. Together they take a
# quarter of a second. The Python API leaves them: its caller may use them.
UNUSED = frozenset({"xgboost.plotting", "scipy.linalg"})


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


def _import_without(unused: frozenset[str], module: str) -> ModuleType:
    """Import a module while others cannot be imported; with those of them without which it fails."""
    try:
        with _hidden(unused):
            return import_module(module)
    except ModuleNotFoundError as error:
        if error.name not in unused:
            raise
        return _import_without(unused - {error.name}, module)


@contextmanager
def _hidden(modules: frozenset[str]) -> Iterator[None]:
    """Let the imports of modules fail, but for those that were imported before."""
    hidden = modules - sys.modules.keys()
    for module in hidden:
        sys.modules[module] = cast("ModuleType", None)  # for which Python raises ModuleNotFoundError
    try:
        yield
    finally:
        for module in hidden:
            del sys.modules[module]
