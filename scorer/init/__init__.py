"""A first configuration and plan: guesses from names, types and samples, each of them marked."""

from scorer.init.draft import Draft, Inputs, draft
from scorer.init.found import Guess

__all__ = ["Draft", "Guess", "Inputs", "draft"]
