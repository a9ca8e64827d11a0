"""Which folders compiled kernels are loaded from.

numba unpickles the files of its cache and executes the machine code in them. Whoever can write them can therefore run
code in every process that loads them, so a folder is used only if nobody but this user and root can change it.
"""

import functools
import os
import stat
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numba
from numba.core.caching import InTreeCacheLocator, UserProvidedCacheLocator, UserWideCacheLocator

distrusted: list[str] = []  # why folders were not used

_INDEX, _CODE = ".nbi", ".nbc"  # what the names of numba's files end in
_KERNELS = frozenset({_INDEX, _CODE})


class Named(UserProvidedCacheLocator):
    """`$NUMBA_CACHE_DIR`, if it is trusted."""

    def ensure_cache_path(self) -> None:
        """Make the folder if it is not there; an OSError tells numba not to use it."""
        _ensure(Path(self._cache_path))


class OfUser(UserWideCacheLocator):
    """The user's cache folder, such as ~/.cache/numba, if it is trusted."""

    def ensure_cache_path(self) -> None:
        """Make the folder if it is not there; an OSError tells numba not to use it."""
        _ensure(Path(self._cache_path))


def _ensure(folder: Path) -> None:
    """Make sure that kernels can be loaded from a folder, and that it is there.

    Raises:
        OSError: it is not trusted, or it cannot be written and has no kernels.
    """
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    if reason := _doubt_once(folder):
        if reason not in distrusted:
            distrusted.append(reason)
        raise PermissionError(reason)
    if not any(folder.glob(f"*{_INDEX}")):  # with kernels it will do even if none can be added, as in a read-only image
        tempfile.TemporaryFile(dir=folder).close()


# Whoever can write `__pycache__` beside the source can replace its bytecode as well, so that folder needs no rule.
_LOCATORS = ",".join([f"{__name__}.{Named.__name__}", InTreeCacheLocator.__name__, f"{__name__}.{OfUser.__name__}"])


@contextmanager
def trusted_folders() -> Iterator[None]:
    """Cache what is decorated meanwhile in trusted folders, unless `$NUMBA_CACHE_LOCATOR_CLASSES` is set."""
    config: Any = numba.config
    before = config.CACHE_LOCATOR_CLASSES
    config.CACHE_LOCATOR_CLASSES = before or _LOCATORS
    try:
        yield
    finally:
        config.CACHE_LOCATOR_CLASSES = before


def doubt(folder: Path, endings: Collection[str] = _KERNELS) -> str | None:
    """Return why others could have written to a folder, or None if only this user and root can.

    The folder, its files, and every folder above it are looked at: whoever can rename one of those can put another in
    its place.

    Args:
        folder: the folder.
        endings: the endings of the files that are loaded.

    Raises:
        OSError: it cannot be looked at.
    """
    shown, real = folder.absolute(), folder.resolve(strict=True)
    files = [path for path in real.iterdir() if path.suffix in endings]
    for path in dict.fromkeys([*files, real, *real.parents, *shown.parents]):
        status = path.stat()
        if status.st_uid not in {os.geteuid(), 0}:
            return f"{path} belongs to user {status.st_uid}, and this is user {os.geteuid()}"
        if _others_write(status) and not _is_sticky_above(path, real, status):
            return f"{path} can be written by other users"
    return None


_doubt_once = functools.cache(doubt)  # many kernels share a folder


def _is_sticky_above(path: Path, folder: Path, status: os.stat_result) -> bool:
    """Whether it is a folder such as /tmp above the one in question: others can add entries, and rename only theirs."""
    return path != folder and stat.S_ISDIR(status.st_mode) and bool(status.st_mode & stat.S_ISVTX)


def _others_write(status: os.stat_result) -> bool:
    """Whether the mode lets others write; root's group, and a group of this user's own number, are not others."""
    is_private = status.st_gid == 0 or status.st_gid == os.getegid() == os.geteuid()
    return bool(status.st_mode & (stat.S_IWOTH if is_private else stat.S_IWOTH | stat.S_IWGRP))
