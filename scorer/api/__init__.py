"""The Python API: scores rows of a program or a notebook with the parts of a replica."""

from scorer.api.bad_rows import BadRows
from scorer.api.model import Model, load

__all__ = ["BadRows", "Model", "load"]
