"""Imports the module of a command in as little time as its packages allow."""

import gc
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from types import ModuleType
from typing import cast

# Packages do without these where they cannot be imported, and no command uses what they bring. xgboost has wrappers for
# plots, and for scikit-learn where that is installed, which import scipy.special; numba looks for a BLAS and for cffi
# with its first kernel; structlog shows errors by rich, with pygments; rich shows objects of attrs. Together they take
# a third of a second. The Python API leaves them: its caller may use them.
UNUSED = frozenset({"xgboost.plotting", "sklearn", "scipy.linalg", "cffi", "rich.traceback", "attr"})
LATER = frozenset({"numpy.f2py", "numpy.testing"})  # scipy imports all of numpy for its names
NO_PLUGINS = "PYDANTIC_DISABLE_PLUGINS"  # which pydantic looks for in the metadata of every installed package


def imported(module: str) -> ModuleType:
    """Import a module, with the garbage collector kept from what that brings: it stays until the end.

    Looking through it again and again while it is imported, and once more when the process ends, would take a third of
    the time of a short command.
    """
    if module in sys.modules:
        return sys.modules[module]
    gc.disable()
    os.environ.setdefault(NO_PLUGINS, "__all__")
    later = _Later()
    sys.meta_path.insert(0, later)
    try:
        return _import_without(UNUSED, module)
    finally:
        sys.meta_path.remove(later)
        gc.freeze()
        gc.enable()


class _Later:
    """Finds modules that are loaded when an attribute of theirs is used."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Return how to load a module, or None for those that are loaded at once."""
        spec = PathFinder.find_spec(name, path, target) if name in LATER else None
        if spec and spec.loader:
            spec.loader = LazyLoader(spec.loader)
        return spec


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
