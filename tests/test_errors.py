import pytest

from scorer.errors import did_you_mean, nearest

KEYS = ["max_records", "max_wait_ms", "max_bytes"]


@pytest.mark.parametrize(
    ("name", "expected"), [("max_record", "max_records"), ("maxbytes", "max_bytes"), ("zzz", ""), ("", "")]
)
def test_the_nearest_name_is_suggested(name: str, expected: str) -> None:
    assert nearest(name, KEYS) == expected
    assert did_you_mean(name, iter(KEYS)) == (f"; did you mean '{expected}'?" if expected else "")
