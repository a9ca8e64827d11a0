"""Load a model file and score with it, in a separate process that may crash or hang without harm.

XGBoost trusts what it reads: a damaged file can crash the process that loads it, loop for ever or ask for all available
memory. So every file is loaded here first. The program calls XGBoost's library itself and imports neither numpy nor the
package, which would take ten times as long. `check_loads` in `scorer.model.load` starts it.
"""

import array
import contextlib
import ctypes
import math
import os
import random
import sys

BYTES_ALWAYS = 4 << 30  # address space for Python and XGBoost; much of it is for XGBoost's library with CUDA
BYTES_A_FILE_BYTE = 64  # memory of a parsed model for each byte of its file; several times what JSON, the worst, needs
ROWS = 64
CELLS = 1 << 16  # most values in all rows: with many features there are fewer rows
FEWEST_ROWS = 3
_MOST = 3.4028234663852886e38  # largest float32
VALUES = (math.nan, 0.0, -0.0, 1.0, -1.0, 2.0, 3.0, 7.0, 31.0, 32.0, 0.5, -0.5, 1e-45, 100.0, -100.0, 1e6, 1e20)


def limit_memory(file: str) -> None:
    """Limit the memory of this process to what a model of this size can need, if the system supports that."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource  # noqa: PLC0415  only Unix has it

        limit = BYTES_ALWAYS + BYTES_A_FILE_BYTE * os.stat(file).st_size  # noqa: PTH116  pathlib takes longer to import
        resource.setrlimit(resource.RLIMIT_AS, (limit, resource.getrlimit(resource.RLIMIT_AS)[1]))


class Library:
    """XGBoost's C interface; a failed call ends this program with XGBoost's message."""

    def __init__(self, path: str) -> None:
        self._library = ctypes.CDLL(path)
        self._library.XGBGetLastError.restype = ctypes.c_char_p

    def call(self, name: str, *arguments: object) -> None:
        """Call a function, which writes its results through pointers among the arguments."""
        if getattr(self._library, name)(*arguments):
            sys.exit(self._library.XGBGetLastError().decode(errors="replace"))


def rows_of(columns: int) -> tuple[int, "array.array[float]"]:
    """Return the number of rows and their values: one row all missing, two of extremes, the rest random."""
    count = max(FEWEST_ROWS, min(ROWS, CELLS // max(1, columns)))
    values = array.array("f", [math.nan]) * columns
    for extreme in (_MOST, -_MOST):
        values += array.array("f", [extreme]) * columns
    drawn = random.Random(0).choices(VALUES, k=(count - FEWEST_ROWS) * columns)  # noqa: S311  no secret
    return count, values + array.array("f", drawn)


def load_and_score(library: Library, file: str) -> None:
    """Load the model, save its configuration and itself to memory, and score rows."""
    booster, matrix = ctypes.c_void_p(), ctypes.c_void_p()
    length, columns, text = ctypes.c_uint64(), ctypes.c_uint64(), ctypes.c_char_p()
    shape, size, scores = ctypes.c_void_p(), ctypes.c_uint64(), ctypes.c_void_p()
    library.call("XGBoosterCreate", None, ctypes.c_uint64(0), ctypes.byref(booster))
    library.call("XGBoosterSetParam", booster, b"nthread", b"1")
    library.call("XGBoosterLoadModel", booster, os.fsencode(file))
    library.call("XGBoosterSaveJsonConfig", booster, ctypes.byref(length), ctypes.byref(text))
    library.call("XGBoosterSaveModelToBuffer", booster, b'{"format": "ubj"}', ctypes.byref(length), ctypes.byref(text))
    library.call("XGBoosterGetNumFeature", booster, ctypes.byref(columns))
    count, values = rows_of(columns.value)
    order, (address, _) = "<" if sys.byteorder == "little" else ">", values.buffer_info()
    layout = f'{{"data": [{address}, true], "shape": [{count}, {columns.value}], "typestr": "{order}f4", "version": 3}}'
    missing = b'{"missing": NaN, "nthread": 1}'
    library.call("XGDMatrixCreateFromDense", layout.encode(), missing, ctypes.byref(matrix))
    how = b'{"type": 0, "training": false, "iteration_begin": 0, "iteration_end": 0, "strict_shape": false}'
    results = ctypes.byref(shape), ctypes.byref(size), ctypes.byref(scores)
    library.call("XGBoosterPredictFromDMatrix", booster, matrix, how, *results)


if __name__ == "__main__":
    limit_memory(sys.argv[2])
    try:
        load_and_score(Library(sys.argv[1]), sys.argv[2])
    except Exception as error:  # noqa: BLE001  any error is the answer
        sys.exit(f"{type(error).__name__}: {error}")
