"""The dialects: each reads the rows of a request and writes the predictions as its clients expect."""

from scorer.rest.dialects.table import routes_of

__all__ = ["routes_of"]
