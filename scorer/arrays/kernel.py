"""How loops over rows and bytes are compiled.

Kernels take and return arrays and numbers, never Python objects. A kernel that Python calls is an `@entry`: it is
compiled at import for the types of its annotations. Otherwise numba would compile it again for every new layout of an
argument, which would stall a running replica. Arrays that belong together are passed as a NamedTuple of such types.
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
Ints32: TypeAlias = Annotated[NDArray[np.int32], types.int32[::1]]
Floats: TypeAlias = Annotated[NDArray[np.float64], types.float64[::1]]
Floats2: TypeAlias = Annotated[NDArray[np.float64], types.float64[:, ::1]]
Singles2: TypeAlias = Annotated[NDArray[np.float32], types.float32[:, ::1]]
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

uncached: list[str] = []  # kernels that were compiled without a cache


def read_only(data: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a read-only view of the same bytes, which `Bytes` in a NamedTuple must be."""
    view = data.view()
    view.setflags(write=False)
    return view


def entry(function: Function) -> Function:
    """Compile a function at import for the types of its annotations, or load it from the cache on disk.

    An annotation is an alias of this module, `int`, `float`, `bool`, or a NamedTuple of those. The function, and
    everything that it calls, only reads and writes items of its arrays, so no references are counted.
    """
    hints = get_type_hints(function, include_extras=True)
    result = _type_of(hints.pop("return"))
    return kernel(result(*map(_type_of, hints.values())), refcounts=False)(function)


def kernel(*signatures: object, refcounts: bool = True) -> Callable[[Function], Function]:
    """Compile a function at import for the given numba signatures, or load it from the cache on disk.

    A function without a signature is compiled into the kernels that call it. If the function is not in the cache and
    cannot be added (the folder is read-only, not trusted, or damaged), it is compiled at each start and listed in
    `uncached`.

    A kernel that only reads and writes items of its arrays can do without `refcounts`, as can everything that it calls.
    Otherwise numba counts references to arrays, atomically and in each call, which takes longer than a small call does.
    Functions without a signature are then inlined, since passing an array means passing ten numbers.
    """
    options = {"nogil": True, "error_model": "numpy"}
    if not refcounts:
        options |= {"_nrt": False, "forceinline": not signatures}
    njit: Any = numba.njit

    def compiled(function: Function) -> Function:
        try:
            with trusted_folders():
                cached = njit(cache=True, **options)(function)
            _compile(cached, signatures)
        except Exception:  # noqa: BLE001  no fault of the cache may stop a start; a fault of the code is raised again below
            uncached.append(function.__name__)
            cached = njit(**options)(function)
            _compile(cached, signatures)
        return cast("Function", cached)

    return compiled


def _compile(dispatcher: Any, signatures: tuple[object, ...]) -> None:  # noqa: ANN401  numba has no types
    """Compile for the signatures, and for no others later; or load what was compiled before."""
    config: Any = numba.config
    if not signatures or config.DISABLE_JIT:
        return
    for signature in signatures:
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
        if len(set(of)) == 1:  # as numba takes a tuple whose items are alike
            return cast("types.Type", cast("Any", types.NamedUniTuple)(of[0], len(of), annotation))
        return cast("types.Type", cast("Any", types.NamedTuple)(of, annotation))
    _, meaning = get_args(annotation)
    return cast("types.Type", meaning)
