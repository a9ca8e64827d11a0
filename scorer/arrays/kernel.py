"""How loops over rows and bytes are compiled.

Kernels take and return arrays and numbers, never Python objects, and only read and write items of their arrays. One
that Python calls is an `@entry`: it is compiled at import for the types of its annotations. Otherwise numba would
compile it again for every new layout of an argument, which would stall a running replica. One that other kernels call
is a `@kernel`, and becomes part of them. Arrays that belong together are passed as a NamedTuple of such types; no two
classes may have the same name and the same types, since numba takes a value of one for one of the other.
"""

from collections.abc import Callable
from typing import Annotated, Any, TypeAlias, TypeVar, cast, get_args, get_type_hints

import numba
import numpy as np
from numba import types
from numpy.typing import NDArray

from scorer.arrays.cache import trusted_folders

Function = TypeVar("Function", bound=Callable[..., object])

# C-contiguous arrays, named by their items and dimensions. `Bytes` is read-only: numba accepts a writable array as an
# argument, but not inside a NamedTuple, where it converts nothing; see `read_only`.
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


def read_only(data: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a read-only view of the same bytes, which `Bytes` in a NamedTuple must be."""
    view = data.view()
    view.setflags(write=False)
    return view


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
    signature = result(*map(_type_of, hints.values()))
    try:
        with trusted_folders():
            compiled = _decorated(function, cache=True)
        _compile(compiled, signature)
    except Exception:  # noqa: BLE001  no fault of the cache may stop a start; a fault of the code is raised again below
        uncached.append(function.__name__)
        compiled = _decorated(function)
        _compile(compiled, signature)
    return cast("Function", compiled)


def kernel(function: Function) -> Function:
    """Make a function part of every kernel that calls it; annotations are for the reader.

    Python may call it as well, in a test: it is compiled at the first call then.
    """
    return cast("Function", _decorated(function, forceinline=True))  # a call would pass ten numbers for each array


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
    if isinstance(annotation, type) and issubclass(annotation, tuple):
        fields = get_type_hints(annotation, include_extras=True)
        of = [_type_of(field) for field in fields.values()]
        if _tuples.setdefault((annotation.__name__, *of), annotation) is not annotation:
            raise TypeError(f"another NamedTuple is a {annotation.__name__} of the same types: rename one")
        if len(set(of)) == 1:  # as numba takes a tuple whose items are alike
            return cast("types.Type", cast("Any", types.NamedUniTuple)(of[0], len(of), annotation))
        return cast("types.Type", cast("Any", types.NamedTuple)(of, annotation))
    _, meaning = get_args(annotation)
    return cast("types.Type", meaning)
