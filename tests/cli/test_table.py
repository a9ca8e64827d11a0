from scorer.cli.shown.table import aligned


def test_numbers_are_right_aligned_without_trailing_spaces() -> None:
    assert aligned(("TOPIC", "LAG", "MEMBER"), [("payments", 1234567, None), ("p", None, "a")]) == [
        "TOPIC           LAG  MEMBER",
        "payments  1,234,567  -",
        "p                 -  a",
    ]


def test_a_table_without_rows_is_only_its_header() -> None:
    assert aligned(("TOPIC", "LAG"), []) == ["TOPIC  LAG"]
