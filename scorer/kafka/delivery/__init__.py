"""The producer, and what may be committed: at least once, or exactly once."""
