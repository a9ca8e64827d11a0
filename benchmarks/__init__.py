"""The speed of `scorer` beside other ways to do its work: `make bench`, or `python -m benchmarks`. See README.md."""
