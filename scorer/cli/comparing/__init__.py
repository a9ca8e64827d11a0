"""How the scores of two versions differ on the same events, and how that looks."""
