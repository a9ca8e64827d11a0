"""Object stores as fsspec reaches them, and their errors as ours."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from scorer.errors import Misconfigured, Problem, RepositoryUnavailable
from scorer.security.redaction import foreign

PATIENCE = {"connect_timeout": 5, "read_timeout": 30, "retries": {"mode": "standard", "max_attempts": 2}}  # S3's client
ADD = "add a version with `scorer models add`"


def store_at(url: str) -> tuple[Any, str]:
    """Return the file system of the address of models, and the path in it; see `file_system`."""
    what = f"cannot read models from '{urlsplit(url).scheme}:'"
    return file_system(url, "model.path", what, "expected a folder of versions, or an address that fsspec knows")


def file_system(url: str, where: str, what: str, expected: str) -> tuple[Any, str]:
    """Return the file system of an address, and the path in it.

    fsspec reaches the store: credentials, the region and the endpoint are those of its own configuration and of the
    provider's variables, such as `AWS_PROFILE` and `AWS_ENDPOINT_URL`.

    Args:
        url: such as s3://bucket/models.
        where: the setting or option with the address, for errors.
        what: the text of the error.
        expected: the addresses that are allowed, for errors.

    Raises:
        Misconfigured: no installed package can use such an address.
    """
    try:
        import fsspec  # noqa: PLC0415  an extra

        options = {"config_kwargs": PATIENCE} if urlsplit(url).scheme == "s3" else {}
        found: tuple[Any, str] = fsspec.url_to_fs(url, use_listings_cache=False, **options)
    except ImportError as error:
        reason = "fsspec is missing" if error.name == "fsspec" else said(error)
        needed = "install scorer[objects], which has what S3 needs, or the package for the store"
        raise Misconfigured([Problem(where, f"{what}: {reason}", needed)]) from error
    except ValueError as error:
        raise Misconfigured([Problem(where, what, expected)]) from error
    return found


@contextmanager
def asking(url: str) -> Iterator[None]:
    """Turn the errors of a store at an address into ours, except FileExistsError."""
    try:
        yield
    except (Misconfigured, FileExistsError):
        raise
    except FileNotFoundError as error:
        raise Misconfigured([Problem("model.path", f"cannot read {url}: {said(error)}", ADD)]) from error
    except PermissionError as error:
        what = f"may not read {url}: {said(error)}"
        expected = "expected the right to list and read what is below it; `models add` also writes there"
        raise Misconfigured([Problem("model.path", what, expected)]) from error
    except Exception as error:  # each store has errors of its own
        raise RepositoryUnavailable(f"the models at {url} cannot be read now: {said(error)}") from error


def said(error: Exception) -> str:
    """Return a library's message, made safe to show."""
    return foreign(str(error) or type(error).__name__)
