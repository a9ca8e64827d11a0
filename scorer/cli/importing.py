"""Imports the module of a command in as little time as its packages allow."""

import gc
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import LazyLoader
from types import ModuleType
from typing import TypeVar, cast

Loaded = TypeVar("Loaded")

# Packages do without these where they cannot be imported, and no command uses what they bring. xgboost has wrappers for
# plots, and for scikit-learn where that is installed, which import scipy.special; numba looks for a BLAS and for cffi
# with its first kernel; structlog shows errors by rich, with pygments; rich shows objects of attrs. Together they take
# a third of a second. The Python API leaves them: its caller may use them.
#
# A package on demand is imported while a command runs. Only its own are kept from it: other threads import as well.
# redis can count for OpenTelemetry, and imports all of it where it is installed.
ON_DEMAND = {"xgboost": frozenset({"xgboost.plotting", "sklearn"}), "redis": frozenset({"opentelemetry"})}
UNUSED = ON_DEMAND["xgboost"] | {"scipy.linalg", "cffi", "rich.traceback", "attr"}
LATER = frozenset({"numpy.f2py", "numpy.testing"})  # scipy imports all of numpy for its names
NO_PLUGINS = "PYDANTIC_DISABLE_PLUGINS"  # which pydantic looks for in the metadata of every installed package


def imported(module: str) -> ModuleType:
    """Import the module of a command, and see to what that imports on demand later."""
    if module in sys.modules:
        return sys.modules[module]
    os.environ.setdefault(NO_PLUGINS, "__all__")
    if not any(isinstance(finder, _OnDemand) for finder in sys.meta_path):
        sys.meta_path.insert(0, _OnDemand())
    return _sparingly(partial(import_module, module), UNUSED)


def _sparingly(load: Callable[[], Loaded], unused: frozenset[str]) -> Loaded:
    """Import something without what it does not need, with the garbage collector kept from what that brings.

    It stays until the end. Looking through it again and again while it is imported, and once more when the process
    ends, would take a third of the time of a short command.
    """
    collects = gc.isenabled()
    gc.disable()
    later = _Later()
    sys.meta_path.insert(0, later)
    try:
        return _without(unused, load)
    finally:
        sys.meta_path.remove(later)
        if collects:
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


class _OnDemand:
    """Finds modules that are loaded as sparingly as commands are, whenever that is."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Return how to load a module, or None for all others."""
        spec = PathFinder.find_spec(name, path, target) if name in ON_DEMAND else None
        if spec and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Sparing(spec.loader.name, spec.loader.path)
        return spec


class _Sparing(SourceFileLoader):
    def exec_module(self, module: ModuleType) -> None:
        _sparingly(partial(super().exec_module, module), ON_DEMAND[module.__name__])


def _without(unused: frozenset[str], load: Callable[[], Loaded]) -> Loaded:
    """Import something while modules cannot be imported; with those of them without which it fails."""
    try:
        with _hidden(unused):
            return load()
    except ModuleNotFoundError as error:
        if error.name not in unused:
            raise
        return _without(unused - {error.name}, load)


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
