"""What each column contributed to a score. Imported only where explanations are on: its kernels take time to load."""

from scorer.model.explain.explainer import Contributions, Explainer

__all__ = ["Contributions", "Explainer"]
