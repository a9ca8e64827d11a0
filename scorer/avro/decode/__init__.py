"""From the bytes of a batch to columns, and why a value cannot be decoded."""
