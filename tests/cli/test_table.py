from scorer.cli.table import aligned


def test_numbers_stand_to_the_right_and_nothing_trails() -> None:
    assert aligned(("TOPIC", "LAG", "MEMBER"), [("payments", 1234567, None), ("p", None, "a")]) == [
        "TOPIC           LAG  MEMBER",
        "payments  1,234,567  -",
        "p                 -  a",
    ]


def test_a_header_alone_is_a_line() -> None:
    assert aligned(("TOPIC", "LAG"), []) == ["TOPIC  LAG"]
