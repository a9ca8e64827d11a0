"""Reaches object stores through fsspec, and turns their errors into ours."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from scorer.errors import Misconfigured, Problem, ScorerError, Unavailable
from scorer.model.repositories.stores import file_system, said

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


class FilesUnavailable(Unavailable):
    """An object store of inputs or outputs does not answer."""

    component = "files"


def is_remote(address: str) -> bool:
    """Whether an address is that of an object store, rather than a path of this machine."""
    return _ADDRESS.match(address) is not None


def store_at(address: str, option: str) -> tuple[Any, str]:
    """Return the file system of an address, and the path in it; see `scorer.model.repositories.stores.file_system`.

    Args:
        address: such as s3://bucket/flights.
        option: the option with the address, for errors.

    Raises:
        Misconfigured: no installed package can read such an address.
    """
    what = f"cannot use '{address.partition('://')[0]}:'"
    return file_system(address, option, what, "expected a path, or an address that fsspec knows")


@contextmanager
def answering(address: str, option: str) -> Iterator[None]:
    """Turn the errors of a store at an address into ours.

    Raises:
        Misconfigured: nothing is there, or access is denied.
        Unavailable: any other error.
    """
    try:
        yield
    except ScorerError:
        raise
    except FileNotFoundError as error:
        raise Misconfigured([Problem(option, f"nothing at {address}: {said(error)}")]) from error
    except PermissionError as error:
        raise Misconfigured([Problem(option, f"no permission to use {address}: {said(error)}")]) from error
    except Exception as error:  # each store has errors of its own
        raise FilesUnavailable(f"{address} cannot be used now: {said(error)}") from error
