"""Compares the speed of `scorer` with other ways to do its work: `make bench`, or `python -m benchmarks`; see README."""
