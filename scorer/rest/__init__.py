"""One answer now: `scorer serve` scores the rows of HTTP requests with the parts of a replica."""

from scorer.rest.folder import find
from scorer.rest.server import run

__all__ = ["find", "run"]
