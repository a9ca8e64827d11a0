"""Loading features from a file into Redis."""
