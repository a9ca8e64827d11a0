"""How loops over rows and bytes are compiled: one decorator, so that there is one set of options.

Kernels take and return arrays and numbers, never Python objects, and have an explicit signature: without one,
numba compiles again for every new layout of an argument, which would stall a running replica.
"""

from collections.abc import Callable
from typing import TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., object])

uncached: list[str] = []  # kernels that no cache could be used for


def kernel(*signatures: str, refcounts: bool = True) -> Callable[[Function], Function]:
    """Compile a function at import for the given numba signatures, or load it from the cache on disk.

    With no signature the function is compiled into the kernels that call it. Where no folder can be written (a
    read-only image), or the cache is damaged, it is compiled at each start instead, and named in `uncached`.

    A kernel that only reads and writes items of the arrays it is given can do without `refcounts`, as can everything
    that it calls. Otherwise numba counts references to arrays, atomically and in each call, which takes longer than the
    work of a small call. Helpers without a signature are then inlined, since passing an array passes ten numbers.
    """
    options = {"nogil": True, "error_model": "numpy"}
    if not refcounts:
        options |= {"_nrt": False, "forceinline": not signatures}
    compile_for = cast("Callable[..., Callable[[Function], Function]]", numba.njit)

    def compiled(function: Function) -> Function:
        chosen = list(signatures) or None
        try:
            return compile_for(chosen, cache=True, **options)(function)
        except Exception:  # noqa: BLE001  a replica starts whatever is wrong with the cache; wrong code fails again
            uncached.append(function.__name__)
            return compile_for(chosen, **options)(function)

    return compiled
