"""Load an ONNX file and score with it, in a separate process that may crash or hang without harm.

`scorer.model.load` starts it with the file; an error ends it with the message.
"""

import contextlib
import sys
from pathlib import Path

import numpy as np
import onnxruntime

BYTES_ALWAYS = 8 << 30  # address space for Python, numpy and ONNX Runtime; little of it is used
BYTES_A_FILE_BYTE = 64
SIZES = (1, 64)  # of batches
_MOST_COLUMNS = 1 << 20
_MOST = np.finfo(np.float32).max


def limit_memory(file: Path) -> None:
    """Limit the memory of this process to what a model of this size can need, if the system supports that."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource  # noqa: PLC0415  only Unix has it

        limit = BYTES_ALWAYS + BYTES_A_FILE_BYTE * file.stat().st_size
        resource.setrlimit(resource.RLIMIT_AS, (limit, resource.getrlimit(resource.RLIMIT_AS)[1]))


def load_and_score(file: Path) -> None:
    """Load the model, and score numbers of all sizes if it takes one float32 input, as it has to."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(file.read_bytes(), options, providers=["CPUExecutionProvider"])
    inputs = session.get_inputs()
    shape = inputs[0].shape if len(inputs) == 1 and inputs[0].type == "tensor(float)" else []
    fits = len(shape) == len(("rows", "columns")) and not isinstance(shape[0], int) and isinstance(shape[1], int)
    if not fits or not 0 < shape[1] <= _MOST_COLUMNS:
        return  # it is refused with the reason once it is loaded
    rng = np.random.default_rng(0)
    for size in SIZES:
        pool = np.array([np.nan, 0, -1, 1, 7, 1e6, -1e20, _MOST, -_MOST], np.float32)
        session.run(None, {inputs[0].name: rng.choice(pool, (size, shape[1]))})


if __name__ == "__main__":
    model = Path(sys.argv[1])
    limit_memory(model)
    try:
        load_and_score(model)
    except Exception as error:  # noqa: BLE001  any error is the answer
        sys.exit(f"{type(error).__name__}: {error}")
