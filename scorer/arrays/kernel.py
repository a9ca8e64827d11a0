"""How loops over rows and bytes are compiled.

Kernels take and return arrays and numbers, never Python objects, and only read and write items of their arrays. One
that Python calls is an `@entry`: it is compiled at import for the types of its annotations. Otherwise numba would
compile it again for every new layout of an argument, which would stall a running replica. One that other kernels call
is a `@kernel`, and becomes part of them. Arrays that belong together are passed as a NamedTuple of such types; no two
classes may have the same name and the same types, since numba takes a value of one for one of the other.

An entry takes the NamedTuples apart before it calls the machine code. numba could do that as well, but finds out the
types of a NamedTuple anew in each call, which takes longer than a small kernel does.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, TypeAlias, TypeVar, cast, get_args, get_type_hints

import numba
import numpy as np
from numba import types
from numpy.typing import NDArray

from scorer.arrays.cache import trusted_folders

Function = TypeVar("Function", bound=Callable[..., object])

# C-contiguous arrays, named by their items and dimensions. `Bytes` is read-only; a writable array will do.
Bytes: TypeAlias = Annotated[NDArray[np.uint8], types.Array(types.uint8, 1, "C", readonly=True)]
BytesOut: TypeAlias = Annotated[NDArray[np.uint8], types.uint8[::1]]
Ints: TypeAlias = Annotated[NDArray[np.int64], types.int64[::1]]
Ints2: TypeAlias = Annotated[NDArray[np.int64], types.int64[:, ::1]]
Ints3: TypeAlias = Annotated[NDArray[np.int64], types.int64[:, :, ::1]]
Ints32: TypeAlias = Annotated[NDArray[np.int32], types.int32[::1]]
Words: TypeAlias = Annotated[NDArray[np.uint32], types.uint32[::1]]
Words2: TypeAlias = Annotated[NDArray[np.uint32], types.uint32[:, ::1]]
Floats: TypeAlias = Annotated[NDArray[np.float64], types.float64[::1]]
Floats2: TypeAlias = Annotated[NDArray[np.float64], types.float64[:, ::1]]
Singles: TypeAlias = Annotated[NDArray[np.float32], types.float32[::1]]
Singles2: TypeAlias = Annotated[NDArray[np.float32], types.float32[:, ::1]]
Floats3: TypeAlias = Annotated[NDArray[np.float64], types.float64[:, :, ::1]]
Halves: TypeAlias = Annotated[NDArray[np.uint16], types.uint16[::1]]
Codes: TypeAlias = Annotated[NDArray[np.uint8], types.uint8[::1]]
Codes2: TypeAlias = Annotated[NDArray[np.uint8], types.uint8[:, ::1]]
Table32: TypeAlias = Annotated[NDArray[np.int32], types.int32[:, ::1]]
Flags: TypeAlias = Annotated[NDArray[np.bool_], types.boolean[::1]]
Flags2: TypeAlias = Annotated[NDArray[np.bool_], types.boolean[:, ::1]]

_SCALARS: dict[object, types.Type] = {
    int: types.int64,
    float: types.float64,
    bool: types.boolean,
    type(None): types.void,
}

_tuples: dict[tuple[object, ...], type] = {}  # by name and types

uncached: list[str] = []  # kernels that were compiled without a cache


def entry(function: Function) -> Function:
    """Compile a function that Python calls, at import, for the types of its annotations.

    It is loaded from the cache on disk if it is there. If it cannot be added (the folder is read-only, not trusted, or
    damaged), the function is compiled at each start and listed in `uncached`.

    Args:
        function: each annotation is an alias of this module, `int`, `float`, `bool`, or a NamedTuple of those; the
            result may be None.
    """
    hints = get_type_hints(function, include_extras=True)
    result = _type_of(hints.pop("return"))
    names = {name: _type_of(hint) for name, hint in hints.items()}
    if not any(isinstance(each, types.BaseNamedTuple) for each in names.values()):
        return cast("Function", _loaded(function, result(*names.values())))
    leaves = dict(leaf for name, hint in hints.items() for leaf in _leaves(name, hint))
    flat, called = _flattened(function, hints, leaves)
    called.__globals__["compiled"] = _loaded(flat, result(*map(_type_of, leaves.values())))
    return cast("Function", called)


def kernel(function: Function) -> Function:
    """Make a function part of every kernel that calls it; annotations are for the reader.

    Python may call it as well, in a test: it is compiled at the first call then.
    """
    return cast("Function", _decorated(function, forceinline=True))  # a call would pass ten numbers for each array


def _loaded(function: Callable[..., object], signature: object) -> Any:  # noqa: ANN401  numba has no types
    """Compile a function, or load it from the cache."""
    try:
        with trusted_folders():
            compiled = _decorated(function, cache=True)
        _compile(compiled, signature)
    except Exception:  # noqa: BLE001  no fault of the cache may stop a start; a fault of the code is raised again below
        uncached.append(function.__name__)
        compiled = _decorated(function)
        _compile(compiled, signature)
    return compiled


def _flattened(
    function: Callable[..., object], hints: Mapping[str, Any], leaves: Mapping[str, Any]
) -> tuple[Callable[..., object], Callable[..., object]]:
    """Return a function that takes leaves, to be compiled, and one for Python that takes the leaves from NamedTuples.

    numba looks for the first in its cache as it would for the function itself: by name, place and file. The second
    calls what is `compiled` in its globals.
    """
    made: dict[str, Any] = {"body": kernel(function)}
    parts = ", ".join(_built(name, hint, made) for name, hint in hints.items())
    source = (
        f"def flat({', '.join(map(_argument, leaves))}):\n    return body({parts})\n"
        f"def called({', '.join(hints)}):\n    return compiled({', '.join(leaves)})\n"
    )
    exec(compile(source, function.__code__.co_filename, "exec"), made)  # noqa: S102  as dataclasses do: names of ours
    flat, called = made.pop("flat"), made.pop("called")
    named = {part: getattr(function.__code__, part) for part in ("co_firstlineno", "co_name", "co_qualname")}
    for each in flat, called:
        for name in ("__module__", "__name__", "__qualname__"):
            setattr(each, name, getattr(function, name))
        each.__code__ = each.__code__.replace(**named)
    called.__doc__, called.py_func = function.__doc__, function
    return flat, called


def _leaves(name: str, hint: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401  an annotation can be any object
    """Yield how Python writes each array or number in an argument, and its annotation."""
    if _is_tuple(hint):
        for field, of in get_type_hints(hint, include_extras=True).items():
            yield from _leaves(f"{name}.{field}", of)
    else:
        yield name, hint


def _built(name: str, hint: Any, classes: dict[str, Any]) -> str:  # noqa: ANN401  the same
    """Return the expression that makes an argument from its leaves, and note the classes that it names."""
    if not _is_tuple(hint):
        return _argument(name)
    classes[hint.__name__] = hint
    fields = get_type_hints(hint, include_extras=True).items()
    return f"{hint.__name__}({', '.join(_built(f'{name}.{field}', of, classes) for field, of in fields)})"


def _argument(leaf: str) -> str:
    return leaf.replace(".", "__")


def _is_tuple(hint: Any) -> bool:  # noqa: ANN401  the same
    return isinstance(hint, type) and issubclass(hint, tuple)


def _decorated(function: Function, **options: bool) -> Any:  # noqa: ANN401  numba has no types
    """Decorate a function, without numba's runtime.

    Otherwise it counts references to arrays, atomically and in each call, which takes longer than a small call does.
    """
    njit: Any = numba.njit
    return njit(nogil=True, error_model="numpy", _nrt=False, **options)(function)


def _compile(dispatcher: Any, signature: object) -> None:  # noqa: ANN401  numba has no types
    """Compile for one signature, and for no others later; or load what was compiled before."""
    config: Any = numba.config
    if config.DISABLE_JIT:
        return
    try:
        dispatcher.compile(signature)
    except OSError:  # it was compiled, but the folder can only be read; otherwise it is raised again
        dispatcher.compile(signature)
        uncached.append(dispatcher.__name__)
    dispatcher.disable_compile()


def _type_of(annotation: Any) -> types.Type:  # noqa: ANN401  an annotation can be any object
    """Return numba's type for an annotation."""
    if annotation in _SCALARS:
        return _SCALARS[annotation]
    if _is_tuple(annotation):
        fields = get_type_hints(annotation, include_extras=True)
        of = [_type_of(field) for field in fields.values()]
        if _tuples.setdefault((annotation.__name__, *of), annotation) is not annotation:
            raise TypeError(f"another NamedTuple is a {annotation.__name__} of the same types: rename one")
        if len(set(of)) == 1:  # as numba takes a tuple whose items are alike
            return cast("types.Type", cast("Any", types.NamedUniTuple)(of[0], len(of), annotation))
        return cast("types.Type", cast("Any", types.NamedTuple)(of, annotation))
    _, meaning = get_args(annotation)
    return cast("types.Type", meaning)
