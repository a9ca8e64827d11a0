"""Load a model file and score with it, as a program of its own: what crashes or hangs here does so alone.

XGBoost trusts what it reads: a damaged file can end the process that loads it, spin for ever or ask for all the
memory there is. This runs first, in a child process, and imports nothing of the project's. `check_loads` in
`scorer.model.booster` starts it.
"""

import contextlib
import sys
from pathlib import Path

import numpy as np
import xgboost

BYTES_ALWAYS = 4 << 30  # address space of Python, XGBoost and their threads' stacks
BYTES_A_FILE_BYTE = 64  # of a parsed model, JSON text being the worst; several times what was measured


def limit_memory(file: Path) -> None:
    """Refuse this process more memory than a model of this size can need, where the system can."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource  # noqa: PLC0415  Unix alone has it

        limit = BYTES_ALWAYS + BYTES_A_FILE_BYTE * file.stat().st_size
        resource.setrlimit(resource.RLIMIT_AS, (limit, resource.getrlimit(resource.RLIMIT_AS)[1]))


def load_and_score(file: Path) -> None:
    """Load the model and score a row without values and two with extreme ones.

    Raises:
        Exception: whatever XGBoost or Python say of the file.
    """
    booster = xgboost.Booster({"nthread": 1}, model_file=file)
    booster.save_config()
    rows = np.full((3, booster.num_features()), np.nan, np.float32)
    rows[1], rows[2] = np.finfo(np.float32).max, np.finfo(np.float32).min
    booster.predict(xgboost.DMatrix(rows, nthread=1), validate_features=False)


if __name__ == "__main__":
    model_file = Path(sys.argv[1])
    limit_memory(model_file)
    try:
        load_and_score(model_file)
    except Exception as error:  # noqa: BLE001  any error is the answer
        sys.exit(f"{type(error).__name__}: {error}")
