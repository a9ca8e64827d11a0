"""Compares `scorer` with other ways to do its work: `make bench`, or `python -m benchmarks`. See README.md."""
