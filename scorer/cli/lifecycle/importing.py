"""Imports the module of a command quickly, by hiding optional imports that no command needs."""

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

# Optional imports of our dependencies, which work without them; no command uses them, and together they take a third of
# a second. xgboost imports plotting and wrappers for scikit-learn, and with them scipy.special; numba looks for a BLAS
# and cffi when it compiles its first kernel; structlog formats tracebacks with rich, and that with pygments; rich can
# show objects of attrs. The Python API hides none of them, since its caller may need them.
#
# A package in ON_DEMAND is imported while a command runs, when other threads may import modules, too. So only its own
# optional imports are hidden then. redis can record OpenTelemetry metrics, and imports all of it if it is installed.
ON_DEMAND = {"xgboost": frozenset({"xgboost.plotting", "sklearn"}), "redis": frozenset({"opentelemetry"})}
UNUSED = ON_DEMAND["xgboost"] | {"scipy.linalg", "cffi", "rich.traceback", "attr"}
LATER = frozenset({"numpy.f2py", "numpy.testing"})  # scipy imports all of numpy for its names
NO_PLUGINS = "PYDANTIC_DISABLE_PLUGINS"  # otherwise pydantic searches the metadata of every installed package


def imported(module: str) -> ModuleType:
    """Import the module of a command. Packages that it imports on demand are imported in the same way later."""
    if module in sys.modules:
        return sys.modules[module]
    os.environ.setdefault(NO_PLUGINS, "__all__")
    if not any(isinstance(finder, _OnDemand) for finder in sys.meta_path):
        sys.meta_path.insert(0, _OnDemand())
    return _sparingly(partial(import_module, module), UNUSED)


def _sparingly(load: Callable[[], Loaded], unused: frozenset[str]) -> Loaded:
    """Import something while unneeded modules are hidden, and exempt the new objects from garbage collection.

    They stay until the end. To scan them repeatedly during the import, and once more at exit, would take a third of the
    time of a short command.
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
    """Finds the modules that are loaded lazily, at the first use of an attribute."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Return the spec of such a module, or None for any other."""
        spec = PathFinder.find_spec(name, path, target) if name in LATER else None
        if spec and spec.loader:
            spec.loader = LazyLoader(spec.loader)
        return spec


class _OnDemand:
    """Finds the packages in ON_DEMAND, and loads them with their optional imports hidden."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Return the spec of such a package, or None for any other module."""
        spec = PathFinder.find_spec(name, path, target) if name in ON_DEMAND else None
        if spec and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Sparing(spec.loader.name, spec.loader.path)
        return spec


class _Sparing(SourceFileLoader):
    def exec_module(self, module: ModuleType) -> None:
        _sparingly(partial(super().exec_module, module), ON_DEMAND[module.__name__])


def _without(unused: frozenset[str], load: Callable[[], Loaded]) -> Loaded:
    """Import something while these modules are hidden; retry with any of them that it turns out to need."""
    try:
        with _hidden(unused):
            return load()
    except ModuleNotFoundError as error:
        if error.name not in unused:
            raise
        return _without(unused - {error.name}, load)


@contextmanager
def _hidden(modules: frozenset[str]) -> Iterator[None]:
    """Let the imports of modules fail, except those that are imported already."""
    hidden = modules - sys.modules.keys()
    for module in hidden:
        sys.modules[module] = cast("ModuleType", None)  # makes Python raise ModuleNotFoundError
    try:
        yield
    finally:
        for module in hidden:
            del sys.modules[module]
