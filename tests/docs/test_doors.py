"""The numbers on the page of ways to score are those of the benchmarks that it names."""

import re

from tests.docs.pages import ROOT

PAGE = ROOT / "docs/doors.md"
NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")


def test_every_number_is_in_the_benchmark_that_its_line_names() -> None:
    table = PAGE.read_text().partition("## What they cost")[2].partition("- **Batches")[0]
    lines = [line for line in table.splitlines() if "](../benchmarks/" in line]
    assert len(lines) >= 5
    for line in lines:
        (link,) = re.findall(r"\]\(\.\./(benchmarks/\w+\.md)\)", line)
        numbers = NUMBER.findall(line.partition("](")[0].replace("p50", "").replace("p99", ""))
        known = set(NUMBER.findall((ROOT / link).read_text()))
        assert len(numbers) >= 2
        assert [number for number in numbers if number not in known] == [], link
