"""Features from a file into Redis."""
