"""The cache folder of this machine."""

import os
from pathlib import Path


def cache_folder(of: str) -> Path:
    """Return `$XDG_CACHE_HOME/scorer/OF`, or the same under ~/.cache.

    Raises:
        RuntimeError: the user has no home.
    """
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "scorer" / of
