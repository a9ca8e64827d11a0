"""How loops over rows and bytes are compiled: one decorator, so that there is one set of options.

Kernels take and return arrays and numbers, never Python objects, and have an explicit signature: without one,
numba compiles again for every new layout of an argument, which would stall a running replica.
"""

from collections.abc import Callable
from typing import TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., object])


def kernel(*signatures: str) -> Callable[[Function], Function]:
    """Compile a function at import for the given numba signatures, or load it from the cache on disk.

    With no signature the function is compiled into the kernels that call it. Where no folder can be written
    (a read-only image), it is compiled at each start instead.
    """

    def compiled(function: Function) -> Function:
        chosen = list(signatures) or None
        try:
            made = numba.njit(chosen, cache=True, nogil=True, error_model="numpy")(function)
        except RuntimeError as error:
            if "cannot cache" not in str(error):
                raise
            made = numba.njit(chosen, nogil=True, error_model="numpy")(function)
        return cast("Function", made)

    return compiled
